// Charts of a job as Vega-Lite draws them. Vega is loaded with the first one; without it the table stays.
import { h, loading, show } from "./dom.js";
import { get } from "./http.js";

const KINDS = [["bar", "Bar"], ["beeswarm", "Beeswarm"], ["dependence", "Dependence"], ["heatmap", "Heatmap"],
  ["decision", "Decision"], ["cohorts", "Cohorts"], ["interactions", "Interactions"], ["additivity", "Additivity"]];
let drawing = null;
let kind = "beeswarm";

/** Tabs of charts; `ranking` is what is shown instead, where there are none. */
export function charts(place, job, summary, output, ranking) {
  const figure = h("figure.chart", { tabindex: "0", "aria-label": "Chart" });
  let feature = 0;
  const select = h("select", { id: "feature", onchange: () => { feature = Number(select.value); draw(); } },
    byImportance(summary, output).map((at) => h("option", { value: at }, summary.features[at])));
  feature = Number(select.value);
  const which = h("div.tools", {}, h("label", { for: "feature" }, "Feature"), select);
  const kinds = KINDS.filter(([name]) => (name === "interactions") === Boolean(job.options?.interactions) || !["interactions", "beeswarm", "dependence"].includes(name));
  const tabs = h("div.segments", { role: "group", "aria-label": "Chart" }, [...kinds, ["table", "Table"]].map(([name, label]) =>
    h("button", { type: "button", "data-kind": name, onclick: () => { kind = name; draw(); } }, label)));
  show(place, tabs, which, figure);
  draw();

  async function draw() {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    which.hidden = kind !== "dependence";
    if (kind === "table") return show(figure, ranking);
    const mine = kind;
    show(figure, loading("the chart"));
    const asked = new URLSearchParams({ output: summary.outputs[output], ...(kind === "dependence" && { feature: summary.features[feature] }) });
    try {
      const drawn = await chart(`/jobs/${job.job_id}/plots/${kind}?${asked}`);
      if (mine === kind) show(figure, drawn);
    } catch (problem) {
      if (mine === kind) show(figure, h("p.quiet", {}, problem.message), ranking);
    }
  }
}

function byImportance(summary, output) {
  const size = (at) => [summary.mean_abs_shap[at]].flat()[output] ?? [summary.mean_abs_shap[at]].flat()[0] ?? 0;
  return summary.features.map((_, at) => at).sort((one, other) => size(other) - size(one));
}

/** An element with the chart at `path`. Rejects with what the service says against it, or that there is no Vega. */
export async function chart(path) {
  const [specification, embed] = await Promise.all([get(path), vega()]);
  const place = h("div.vega", { role: "img", "aria-label": specification.description || "Chart" });
  const { background: _, ...rest } = specification;
  await embed(place, { ...rest, background: "transparent", ...(rest.vconcat ? {} : { width: "container" }) }, {
    ast: true, actions: false, renderer: "canvas", defaultStyle: false, tooltip: { disableDefaultStyle: true },
    loader: { load: () => Promise.reject(new Error("A chart loads nothing.")) }, config: looks(),
  });
  return place;
}

/** Vega's interpreter (`ast`) evaluates no strings, as the page's policy wants it. */
function vega() {
  drawing ??= import("./vega.js").then(() => globalThis.vegaEmbed);
  return drawing.catch(() => {
    throw new Error("There are no charts here: this build came without Vega. The numbers are below.");
  });
}

function looks() {
  const style = getComputedStyle(document.documentElement);
  const [ink, quiet, line] = ["--ink", "--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
  return {
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: null },
    axis: { labelColor: quiet, titleColor: quiet, domainColor: line, tickColor: line, gridColor: line },
    legend: { labelColor: quiet, titleColor: quiet }, title: { color: ink }, text: { color: ink }, header: { labelColor: ink, titleColor: quiet },
  };
}
