// What a finished job's model has learnt: the features that count, the charts, the rows of the sample.
import { charts } from "./charts.js";
import { facts, fault, h, loading, show } from "./dom.js";
import { count, value } from "./format.js";
import { get } from "./http.js";
import { sample } from "./sample.js";

const TOP = 15;

/** Fills `place`; a part that is not there says so and leaves the others alone. */
export async function results(place, job) {
  show(place, loading("the results"));
  let summary;
  try {
    summary = await get(`/jobs/${job.job_id}/summary`);
  } catch (problem) {
    show(place, fault(problem, () => results(place, job)));
    return;
  }
  const pictures = h("div"), rows = h("div");
  let output = summary.outputs.length === 2 ? 1 : 0;  // as the charts have it
  const select = summary.outputs.length > 1 && h("div.tools", {}, h("label", { for: "output" }, "Output"),
    h("select", { id: "output", onchange: (event) => { output = Number(event.target.value); draw(); } },
      summary.outputs.map((name, at) => h("option", { value: at, selected: at === output }, name))));
  show(place, h("section", { "aria-labelledby": "features" }, h("h2", { id: "features" }, "What counts"), select, pictures,
    additivity(summary)), rows);
  draw();

  function draw() {
    const rest = sample(rows, job, summary, output);
    charts(pictures, job, summary, output, ranking(summary, output), rest);
  }
}

/** Features by mean |SHAP| as a table with bars: what is seen where there are no charts, and read out where there are. */
function ranking(summary, output) {
  const several = summary.outputs.length > 1;
  const found = summary.features.map((feature, at) => {
    const size = summary.mean_abs_shap[at];
    return { feature, size: several && Array.isArray(size) ? size[output] : size };
  }).filter(({ size }) => typeof size === "number").sort((one, other) => other.size - one.size);
  const largest = found[0]?.size || 1;
  return h("table.ranking", {}, h("caption", {}, `Mean |SHAP| of ${several ? `output ${summary.outputs[output]}` : "each feature"}`),
    h("tbody", {}, found.slice(0, TOP).map(({ feature, size }) => h("tr", {},
      h("th", { scope: "row" }, feature), h("td.bar", {}, h("span", { style: { width: `${(100 * size) / largest}%` } })), h("td.number", {}, value(size))))),
    found.length > TOP && h("tfoot", {}, h("tr", {}, h("td", { colspan: 3 }, `and ${count(found.length - TOP)} more`))));
}

function additivity(summary) {
  const found = summary.additivity;
  return facts([
    ["Additivity", found && (found.ok ? `base value and values meet the model's own output, to ${value(found.largest_error)}`
      : `base value and values miss the model's own output by ${value(found.largest_error)}, which is more than ${value(found.tolerance)}`)],
    ["Base value", summary.base_values.map(value).join(", ")],
  ]);
}
