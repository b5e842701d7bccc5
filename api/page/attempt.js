// Trying an operation of the HTTP interface: a field for each parameter and part, then the answer as it came.
import { badge, fault, h, loading, show } from "./dom.js";
import { bytes } from "./format.js";

const SHOWN = 20000;
const STREAM = "text/event-stream";

/** A form for one operation. Events, which never end, are not tried. */
export function attempt(path, method, operation, document) {
  const media = Object.keys(operation.responses["200"]?.content || {});
  if (media.includes(STREAM)) return h("p.quiet", {}, "Events go on until they end: follow them with EventSource, or curl -N.");
  const fields = (operation.parameters || []).map((one) => ({ ...one, input: field(one.name, path, method) }));
  const parts = partsOf(operation, document).map(({ name, isFile }) => ({ name, isFile, input: field(name, path, method, isFile) }));
  const accept = media.length > 1 && h("select", { id: id("accept", path, method) }, media.map((one) => h("option", { value: one }, one)));
  const answer = h("div", { "aria-live": "polite" });
  return h("form.try", { onsubmit: run }, h("h3", {}, "Try it"),
    h("div.fields", {}, [...fields, ...parts].map(({ name, input }) => labelled(name, input)), accept && labelled("Accept", accept)),
    h("button", { type: "submit" }, `Send ${method}`), answer);

  async function run(event) {
    event.preventDefault();
    show(answer, loading("the answer"));
    try {
      show(answer, await answered(await fetch(url(path, fields), { method, headers: headers(fields, accept), body: body(parts, operation) })));
    } catch (problem) {
      show(answer, fault(problem));
    }
  }
}

function url(path, fields) {
  const query = new URLSearchParams(fields.filter((one) => one.in === "query" && one.input.value).map(({ name, input }) => [name, input.value]));
  const filled = fields.filter((one) => one.in === "path").reduce((found, { name, input }) => found.replace(`{${name}}`, encodeURIComponent(input.value)), path);
  return query.size ? `${filled}?${query}` : filled;
}

function headers(fields, accept) {
  const own = fields.filter((one) => one.in === "header" && one.input.value).map(({ name, input }) => [name, input.value]);
  return Object.fromEntries([["Accept", accept ? accept.value : "application/json, */*;q=0.5"], ...own]);
}

function body(parts, operation) {
  if (!parts.length) return undefined;
  const content = operation.requestBody.content;
  if (content["multipart/form-data"]) {
    const form = new FormData();
    for (const { name, isFile, input } of parts) {
      if (isFile ? input.files[0] : input.value) form.append(name, isFile ? input.files[0] : input.value);
    }
    return form;
  }
  if (parts[0].isFile) return parts[0].input.files[0];
  return new Blob([JSON.stringify(Object.fromEntries(parts.map(({ name, input }) => [name, input.value])))], { type: "application/json" });
}

/** The parts of a body: those of a form, the members of an object, or the file itself. */
function partsOf(operation, document) {
  const content = operation.requestBody?.content;
  if (!content) return [];
  const schema = (content["multipart/form-data"] || content["application/json"])?.schema;
  if (!schema) return [{ name: "file", isFile: true }];
  const found = schema.$ref ? document.components.schemas[schema.$ref.split("/").at(-1)] : schema;
  return Object.entries(found.properties || {}).map(([name, one]) => ({ name, isFile: JSON.stringify(one).includes('"binary"') }));
}

async function answered(response) {
  const type = response.headers.get("content-type") || "", data = await response.arrayBuffer();
  const isText = /json|text|xml/.test(type), text = isText ? pretty(new TextDecoder().decode(data.slice(0, SHOWN * 4)), type) : "";
  return h("div", {}, h("p", {}, badge(String(response.status)), ` ${type || "no content"}, ${bytes(data.byteLength)}`),
    isText && text && h("pre", { tabindex: "0" }, text.length > SHOWN ? `${text.slice(0, SHOWN)}\n…` : text));
}

function pretty(text, type) {
  if (!type.includes("json")) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

const id = (name, path, method) => `try-${method}-${path}-${name}`.replace(/[^\w-]/g, "_");

function field(name, path, method, isFile = false) {
  return h("input", { id: id(name, path, method), type: isFile ? "file" : "text", autocomplete: "off", required: path.includes(`{${name}}`) });
}

function labelled(name, input) {
  return h("div.field", {}, h("label", { for: input.id }, name), input);
}
