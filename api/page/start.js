// A new job: a model, a table, a look ahead (the dry run), then Start.
import { announce, facts, fault, h, meter, show } from "./dom.js";
import { bytes, count, percent, plural, seconds } from "./format.js";
import { get, upload } from "./http.js";
import { csvColumns, modelKind, pick } from "./pick.js";
import { again, remember } from "./sent.js";

const EXPLAINERS = ["auto", "tree", "linear", "exact", "permutation", "kernel"];
const CHECKED_AT_ONCE = 32 * 1024 * 1024;
const SHOWN_COLUMNS = 12;

export async function view(place) {
  const registered = await get("/models").then(({ models }) => models, () => []);
  const choice = registeredModels(registered, changed);
  const model = pick({ id: "model", title: "Model", hint: "Drop a file here, or choose one", changed, more: choice.field });
  const data = pick({ id: "data", title: "Table", hint: "CSV, Parquet, Excel, JSON or NPY: the rows to explain", changed });
  const background = pick({ id: "background", title: "Background", hint: "Typical rows; optional", changed });
  const options = optionFields(changed, background.zone);
  const found = h("section.found", { "aria-label": "What was recognised", "aria-live": "polite" });
  const check = h("button", { type: "button", disabled: true, onclick: () => look() }, "Check first");
  const begin = h("button.primary", { type: "button", disabled: true, onclick: submit }, "Start");
  let pending = null, starting = false;

  show(place, h("div.page", {},
    h("header.lead", {}, h("h1", {}, "Explain a model"),
      h("p", {}, "Exact SHAP values for every row. Each part of the work runs in a process of its own, under a hard cap of memory.")),
    h("div.picks", {}, model.zone, data.zone),
    options.section, h("div.actions", {}, begin, check), found));
  const before = again();
  if (before) recall(before);
  return () => pending?.abort();

  function recall({ files, modelId, options: asked }) {
    for (const [name, field] of Object.entries({ model, data, background })) if (files[name]) field.choose(files[name]);
    choice.set(modelId);
    options.set(asked);
    if (!files.data) show(found, h("p.quiet", {}, "The options are those of the job before. Its files are gone with it: choose them once more."));
    changed();
  }

  function ready() {
    return Boolean(data.file() && (model.file() || choice.name()));
  }

  async function changed() {
    if (starting) return;
    pending?.abort();
    hold();
    show(found);
    begin.disabled = check.disabled = !ready();
    choice.field?.classList.toggle("is-off", Boolean(model.file()));
    await describe();
    const size = (data.file()?.size || 0) + (model.file()?.size || 0);
    if (ready() && size <= CHECKED_AT_ONCE) look();
  }

  /** Nothing moves under a finger that is about to press Start. */
  function hold() {
    found.style.setProperty("min-height", `${found.offsetHeight}px`);
  }

  async function describe() {
    if (model.file()) model.say(await modelKind(model.file()) || "Not a format that is known: the service will say more.");
    if (data.file()) {
      const columns = await csvColumns(data.file());
      if (columns) data.say(`${plural(columns.length, "column")}: ${columns.slice(0, SHOWN_COLUMNS).join(", ")}${columns.length > SHOWN_COLUMNS ? ", …" : ""}`);
    }
  }

  function asked() {
    return { files: { model: model.file(), data: data.file(), background: background.file() },
      modelId: model.file() ? null : choice.name(), options: options.read() };
  }

  async function look() {
    if (starting) return;
    pending?.abort();
    const mine = pending = sending("/analyze?dry_run=true", asked(), found, "Looking at it");
    try {
      const forecast = await mine;
      const seen = picture(forecast, await get(`/jobs/${forecast.job_id}`));
      if (pending !== mine) return;
      found.style.removeProperty("min-height");
      show(found, seen);
    } catch (problem) {
      if (problem.name !== "AbortError" && pending === mine) show(found, fault(problem));
    }
  }

  async function submit() {
    pending?.abort();
    starting = begin.disabled = check.disabled = true;
    const sent = asked();
    try {
      const { job_id: jobId } = await (pending = sending("/analyze", sent, found, "Sending"));
      remember(jobId, sent);
      announce("The job was accepted.");
      location.hash = `#/jobs/${jobId}`;
    } catch (problem) {
      starting = begin.disabled = check.disabled = false;
      if (problem.name !== "AbortError") show(found, fault(problem));
    }
  }
}

function sending(path, { files, modelId, options }, place, title) {
  const form = new FormData();
  for (const [name, file] of Object.entries(files)) if (file) form.append(name, file, file.name);
  if (modelId) form.append("model_id", modelId);
  form.append("options", JSON.stringify(options));
  const bar = h("div");
  show(place, h("div.card", {}, h("p.loading", {}, `${title}…`), bar));
  return upload(path, form, (share) => show(bar, meter(share, `${percent(share)} sent`)));
}

/** What a dry run has found out. */
function picture(forecast, job) {
  const warnings = (job.warnings || []).map((one) => h("li", {}, one.message));
  const share = forecast.bytes_per_chunk / forecast.room_bytes;
  return h("div.card", {},
    h("h2", {}, "Ready to start"),
    facts([
      ["Model", job.model && `${job.model.name} (${job.model.family})`],
      ["Rows", count(forecast.rows)],
      ["Columns", `${plural(forecast.features, "column")}, all matched to the model's features`],
      ["Outputs", forecast.outputs > 1 ? count(forecast.outputs) : null],
      ["Explainer", `${forecast.explainer}: ${forecast.engine}`],
      ["Why", forecast.reason],
      ["Chunks", `${plural(forecast.chunks, "chunk")} of up to ${plural(forecast.rows_per_chunk, "row")}`],
      ["Time", `about ${seconds(forecast.seconds)}, ${count(Math.round(forecast.rows / Math.max(forecast.seconds, 0.001)))} rows a second`],
      ["Memory", [`${bytes(forecast.bytes_per_chunk)} in a process, of ${bytes(forecast.room_bytes)} that it may take`,
        meter(share, `${percent(share)} of the cap`)]],
    ]),
    warnings.length > 0 && h("div.warn", {}, h("strong", {}, "Worth knowing"), h("ul", {}, warnings)));
}

function registeredModels(models, changed) {
  if (!models.length) return { field: null, name: () => null, set: () => {} };
  const select = h("select", { id: "registered", onchange: () => changed() }, h("option", { value: "" }, "none"),
    models.map(({ name, model }) => h("option", { value: name }, model ? `${name} (${model})` : name)));
  const field = h("p.registered", {}, h("label", { for: "registered" }, "or a registered model"), select);
  return { field, name: () => select.value || null, set: (name) => { select.value = name || ""; } };
}

function optionFields(changed, background) {
  const explainer = h("select", { id: "explainer", onchange: changed }, EXPLAINERS.map((name) => h("option", { value: name }, name)));
  const interactions = h("input", { type: "checkbox", id: "interactions", onchange: changed });
  const batch = h("input", { type: "number", id: "batch", min: 1, inputmode: "numeric", placeholder: "as the service is set", onchange: changed });
  const seed = h("input", { type: "number", id: "seed", min: 0, inputmode: "numeric", placeholder: "0", onchange: changed });
  const field = (id, label, control) => h("div.field", {}, h("label", { for: id }, label), control);
  return {
    section: h("details.more", {}, h("summary", {}, "Options"),
      h("div.fields", {}, field("explainer", "Explainer", explainer), field("batch", "Most rows in a chunk", batch),
        field("seed", "Seed", seed), h("div.field.check", {}, interactions, h("label", { for: "interactions" }, "Interaction values (trees)"))),
      background),
    read: () => ({
      ...(explainer.value !== "auto" && { explainer: explainer.value }),
      ...(interactions.checked && { interactions: true }),
      ...(batch.value && { batch_size: Number(batch.value) }),
      ...(seed.value && { seed: Number(seed.value) }),
    }),
    set: (asked) => {
      explainer.value = asked.explainer || "auto";
      interactions.checked = Boolean(asked.interactions);
      batch.value = Number.isInteger(asked.batch_size) ? asked.batch_size : "";
      seed.value = asked.seed ?? "";
    },
  };
}
