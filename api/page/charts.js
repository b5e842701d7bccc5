// Charts of a job as Vega-Lite draws them. Vega is loaded with the first one; without it the table stays.
import { h, show } from "./dom.js";
import { get } from "./http.js";

const KINDS = [["bar", "Bar"], ["beeswarm", "Beeswarm"], ["dependence", "Dependence"], ["heatmap", "Heatmap"],
  ["decision", "Decision"], ["cohorts", "Cohorts"], ["interactions", "Interactions"], ["additivity", "Additivity"]];
const NARROWEST = 180, BESIDE = 310, NARROW = 560;
let drawing = null;
let kind = "beeswarm";

/** Tabs of charts; `ranking` is what is shown until there is one, and where there are none. Drawing takes the browser's
 *  only thread for a second, so the first one waits until the `rest` of the page is there. */
export function charts(place, job, summary, output, ranking, rest) {
  const figure = h("figure.chart", { tabindex: "0", "aria-label": "Chart" });
  let feature = 0, turn = 0;
  const select = h("select", { id: "feature", onchange: () => { feature = Number(select.value); draw(); } },
    byImportance(summary, output).map((at) => h("option", { value: at }, summary.features[at])));
  feature = Number(select.value);
  const which = h("div.tools", {}, h("label", { for: "feature" }, "Feature"), select);
  const kinds = KINDS.filter(([name]) => name !== "interactions" || job.options?.interactions);
  if (![...kinds, ["table"]].some(([name]) => name === kind)) kind = "beeswarm";
  const tabs = h("div.segments", { role: "group", "aria-label": "Chart" }, [...kinds, ["table", "Table"]].map(([name, label]) =>
    h("button", { type: "button", "data-kind": name, onclick: () => { kind = name; draw(); } }, label)));
  show(place, tabs, which, figure);
  draw();

  async function draw() {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    which.hidden = kind !== "dependence";
    if (kind === "table") return show(figure, ranking);
    const mine = ++turn;
    if (!figure.childElementCount) show(figure, ranking);
    await rest;
    if (mine !== turn) return;
    const asked = new URLSearchParams({ output: summary.outputs[output], ...(kind === "dependence" && { feature: summary.features[feature] }) });
    try {
      await chart(`/jobs/${job.job_id}/plots/${kind}?${asked}`, figure, () => mine === turn);
    } catch (problem) {
      if (mine === turn) show(figure, h("p.quiet", {}, problem.message), ranking);
    }
  }
}

function byImportance(summary, output) {
  const size = (at) => [summary.mean_abs_shap[at]].flat()[output] ?? [summary.mean_abs_shap[at]].flat()[0] ?? 0;
  return summary.features.map((_, at) => at).sort((one, other) => size(other) - size(one));
}

/** Puts the chart at `path` into `place`, whose width it takes, if it is `wanted` still. Rejects with what the service
 *  says against it, or that there is no Vega. */
export async function chart(path, place, wanted = () => true) {
  const [specification, embed] = await Promise.all([get(path), vega()]);
  if (!wanted()) return;
  const drawn = h("div.vega", { role: "img", "aria-label": specification.description || "Chart" });
  place.querySelector(".vega")?.remove();
  place.append(drawn);  // after what stands there until it is drawn
  const titles = {};
  const shown = { ...late(specification, titles), background: "transparent", config: merged(specification.config, looks()) };
  await embed(drawn, { ...shown, ...fitted(specification, place.clientWidth) }, {
    ast: true, actions: false, renderer: "canvas", defaultStyle: false,
    tooltip: { disableDefaultStyle: true, formatTooltip: (mark, escaped) => tip(mark, titles, escaped) },
    loader: { load: () => Promise.reject(new Error("A chart loads nothing.")) },
  });
  if (wanted()) show(place, drawn);
}

/** The chart with tips that are written when one points at a mark: Vega would write all of them, twice, before it draws
 *  the first of 10,000 points, which takes as long as the points. Puts the fields' titles into `titles`. */
function late(part, titles) {
  const { tooltip, ...encoding } = part.encoding || {};
  const layered = part.layer && { layer: part.layer.map((one) => late(one, titles)) };
  if (!Array.isArray(tooltip)) return { ...part, ...layered };
  for (const { field, title } of tooltip) titles[field] = title;
  const mark = part.mark && { mark: { ...(part.mark.type ? part.mark : { type: part.mark }), tooltip: { content: "data" } } };
  return { ...part, ...mark, ...layered, encoding };
}

/** What a tip says: of the mark's fields those with a title, or all. Names and cells are somebody's: they are escaped. */
function tip(mark, titles, escaped) {
  const titled = Object.keys(titles).filter((field) => field in mark);
  const line = (field) => `<tr><td class="key">${escaped(titles[field] || field)}</td><td class="value">${escaped(mark[field])}</td></tr>`;
  return `<table><tbody>${(titled.length ? titled : Object.keys(mark)).map(line).join("")}</tbody></table>`;
}

/** What makes a chart as wide as its place; of several below each other, what their names and legends leave. */
function fitted({ vconcat: parts }, width) {
  return parts ? { vconcat: parts.map((part) => ({ ...part, width: Math.max(NARROWEST, width - (width < NARROW ? BESIDE / 2 : BESIDE)) })) }
    : { width: "container", autosize: { type: "fit-x", contains: "padding" } };
}

/** Vega's interpreter (`ast`) evaluates no strings, as the page's policy wants it. */
export function vega() {
  drawing ??= import("./vega.js").then(() => globalThis.vegaEmbed);
  return drawing.catch(() => {
    throw new Error("There are no charts here: this build came without Vega. The numbers are below.");
  });
}

/** Ours over the chart's own, part by part. */
function merged(theirs = {}, ours) {
  return Object.fromEntries([...new Set([...Object.keys(theirs), ...Object.keys(ours)])].map((name) =>
    [name, typeof ours[name] === "object" ? { ...theirs[name], ...ours[name] } : ours[name] ?? theirs[name]]));
}

function looks() {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, line] = ["--ink", "--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
  const sizes = { labelFontSize: 12, titleFontSize: 12, labelLimit: Math.min(260, innerWidth / 3) };
  return {
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: null },
    axis: { labelColor: quiet, titleColor: quiet, domainColor: line, tickColor: line, gridColor: line, ...sizes },
    legend: { labelColor: quiet, titleColor: quiet, ...sizes, ...(innerWidth < NARROW && { orient: "bottom" }) },
    title: { color: ink, subtitleColor: quiet, fontSize: 14, subtitleFontSize: 12 },
    text: { color: ink }, header: { labelColor: ink, titleColor: quiet },
  };
}
