// The rows of the sample: a table that sorts, each cell tinted by what it did, and the waterfall of the chosen row.
import { chart } from "./charts.js";
import { h, loading, show } from "./dom.js";
import { count, value } from "./format.js";
import { get } from "./http.js";

const SHOWN_ROWS = 40;
const SHOWN_FEATURES = 8;
const IN_WATERFALL = 10;
let known = { jobId: null };

/** Fills `place`; a job whose sample is gone, or was not kept, says so. */
export async function sample(place, job, summary, output) {
  show(place, loading("rows"));
  try {
    if (known.jobId !== job.job_id) known = { jobId: job.job_id, found: await get(`/jobs/${job.job_id}/sample`) };
  } catch (problem) {
    show(place, h("h2", {}, "Rows"), h("p.quiet", {}, problem.message));
    return;
  }
  table(place, job, known.found, output);
}

/** The SHAP value of a row and a feature, for one output. */
function shapOf(found, row, feature, output) {
  const one = found.values[row][feature];
  return Array.isArray(one) ? one[output] : one;
}

function predictionOf(found, row, output) {
  const one = found.predictions?.[row];
  return Array.isArray(one) ? one[output] : one;
}

function table(place, job, found, output) {
  const features = strongest(found, output);
  let by = { key: "row", down: false }, limit = SHOWN_ROWS, chosen = null;
  const region = h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Table of rows" });
  const detail = h("div.waterfall", { "aria-live": "polite" });
  show(place, h("section", { "aria-labelledby": "rows" }, h("h2", { id: "rows" }, "Rows"),
    h("p.quiet", {}, `${found.rows.length < found.total_rows ? `${count(found.rows.length)} of ${count(found.total_rows)} rows, drawn at random` : `All ${count(found.total_rows)} rows`}. Red pushed the output up, blue down; choose a row to see how.`),
    detail, region));
  draw();

  function columns() {
    return [{ key: "row", label: "row", of: (at) => found.rows[at] },
      { key: "output", label: "f(x)", of: (at) => predictionOf(found, at, output) },
      ...features.map((feature) => ({ key: `f${feature}`, label: found.features[feature], feature, of: (at) => found.data[at][feature] }))];
  }

  function draw() {
    const all = columns(), column = all.find(({ key }) => key === by.key);
    const order = found.rows.map((_, at) => at).sort((one, other) => compared(column.of(one), column.of(other)) * (by.down ? -1 : 1));
    const largest = Math.max(...found.rows.flatMap((_, at) => features.map((feature) => Math.abs(shapOf(found, at, feature, output) ?? 0)))) || 1;
    show(region, h("table.sample", {},
      h("thead", {}, h("tr", {}, all.map((one) => h("th", { scope: "col", "aria-sort": one.key === by.key ? (by.down ? "descending" : "ascending") : "none" },
        h("button.plain", { type: "button", id: `by-${one.key}`, onclick: () => sort(one.key) }, one.label, h("span", { "aria-hidden": "true" }, one.key === by.key ? (by.down ? " ↓" : " ↑") : "")))))),
      h("tbody", {}, order.slice(0, limit).map((at) => line(all, at, largest)))),
      order.length > limit && h("button", { type: "button", onclick: () => { limit += 4 * SHOWN_ROWS; draw(); } }, "Show more rows"));
  }

  function line(all, at, largest) {
    return h("tr", { class: at === chosen ? "is-chosen" : null, onclick: () => choose(at) },
      all.map((one) => one.key === "row" ? h("th", { scope: "row" }, h("button.plain", { type: "button", "aria-pressed": String(at === chosen), "aria-label": `Row ${found.rows[at]}: show how its output came about` }, found.rows[at]))
        : h("td", one.feature === undefined ? {} : tint(shapOf(found, at, one.feature, output), largest), value(one.of(at)))));
  }

  function sort(key) {
    by = { key, down: by.key === key && !by.down };
    draw();
    document.getElementById(`by-${key}`)?.focus();
  }

  async function choose(at) {
    chosen = at;
    for (const one of region.querySelectorAll("tbody tr")) mark(one, at);
    const picture = h("figure.chart", { tabindex: "0", "aria-label": `Row ${found.rows[at]}` }, loading("its waterfall"));
    show(detail, picture);
    const asked = new URLSearchParams({ row: found.rows[at], output: found.outputs[output] });
    await chart(`/jobs/${job.job_id}/plots/waterfall?${asked}`, picture, () => chosen === at).catch(() => show(picture, steps(found, at, output)));
    detail.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  function mark(line, at) {
    const button = line.querySelector("th button"), isIt = button.textContent === String(found.rows[at]);
    line.classList.toggle("is-chosen", isIt);
    button.setAttribute("aria-pressed", String(isIt));
  }
}

function strongest(found, output) {
  const size = (feature) => found.rows.reduce((sum, _, at) => sum + Math.abs(shapOf(found, at, feature, output) ?? 0), 0);
  const sizes = found.features.map((_, feature) => size(feature));
  return sizes.map((_, feature) => feature).sort((one, other) => sizes[other] - sizes[one]).slice(0, SHOWN_FEATURES);
}

function compared(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}

function tint(shap, largest) {
  const share = Math.min(1, Math.abs(shap ?? 0) / largest);
  return { class: shap > 0 ? "is-up" : "is-down", title: `SHAP ${value(shap)}`, style: { "--tint": `${Math.round(40 * Math.sqrt(share))}%` } };
}

/** A row in numbers, from the base value to its output, where there is no picture of it. */
function steps(found, at, output) {
  const base = [found.base_values].flat()[output] ?? [found.base_values].flat()[0];
  const all = found.features.map((feature, place) => ({ feature, given: found.data[at][place], shap: shapOf(found, at, place, output) ?? 0 }))
    .sort((one, other) => Math.abs(other.shap) - Math.abs(one.shap));
  const rest = all.slice(IN_WATERFALL), largest = Math.abs(all[0]?.shap) || 1;
  const shown = [...all.slice(0, IN_WATERFALL), ...(rest.length ? [{ feature: `${rest.length} others`, given: null, shap: rest.reduce((sum, { shap }) => sum + shap, 0) }] : [])];
  return h("table.ranking", {}, h("caption", {}, `Row ${found.rows[at]}: from ${value(base)} on average to ${value(base + all.reduce((sum, { shap }) => sum + shap, 0))} here`),
    h("tbody", {}, shown.map(({ feature, given, shap }) => h("tr", {}, h("th", { scope: "row" }, feature, given !== null && h("span.quiet", {}, ` = ${value(given)}`)),
      h(`td.bar.${shap > 0 ? "up" : "down"}`, {}, h("span", { style: { width: `${Math.min(100, (100 * Math.abs(shap)) / largest)}%` } })),
      h("td.number", {}, `${shap > 0 ? "+" : ""}${value(shap)}`)))));
}
