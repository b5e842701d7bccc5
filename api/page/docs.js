// The HTTP interface as /openapi.json has it, to read and to try with this browser's session.
import { attempt } from "./attempt.js";
import { badge, h, show } from "./dom.js";
import { get } from "./http.js";

const GROUPS = [["Jobs", /^\/(analyze|jobs|job_status)/], ["Models", /^\/models/], ["Operator", /^\/(admin|metrics)/], ["Service", /./]];

export async function view(place) {
  const document = await get("/openapi.json");
  const groups = GROUPS.map(([name]) => [name, []]);
  for (const [path, methods] of Object.entries(document.paths)) {
    const at = GROUPS.findIndex(([, fits]) => fits.test(path));
    for (const [method, operation] of Object.entries(methods)) groups[at][1].push({ path, method: method.toUpperCase(), operation });
  }
  show(place, h("div.page", {},
    h("header.lead", {}, h("h1", {}, "HTTP interface"),
      h("p", {}, `Version ${document.info.version}. All of it as OpenAPI: `, h("a", { href: "/openapi.json" }, "/openapi.json"), ". What you try here is done with your session.")),
    groups.filter(([, found]) => found.length).map(([name, found]) => h("section", { "aria-label": name }, h("h2", {}, name), found.map((one) => entry(one, document))))));
}

function entry({ path, method, operation }, document) {
  const body = h("div.inside");
  const made = h("details.operation", { ontoggle: () => made.open && !body.childElementCount && fill() },
    h("summary", {}, h(`span.method.is-${method.toLowerCase()}`, {}, method), h("code", {}, path), h("span.quiet", {}, operation.summary)), body);
  return made;

  function fill() {
    show(body, parameters(operation), bodies(operation, document), answers(operation, document), attempt(path, method, operation, document));
  }
}

function parameters(operation) {
  const found = operation.parameters || [];
  return found.length > 0 && [h("h3", {}, "Parameters"), table(["Name", "In", "Type", "What it is"], found.map((one) =>
    [h("code", {}, one.name), one.in, kind(one.schema), one.description || (one.required ? "needed" : "")]))];
}

function bodies(operation, document) {
  const content = Object.entries(operation.requestBody?.content || {});
  return content.length > 0 && [h("h3", {}, "Body"), content.map(([media, { schema }]) => [h("p", {}, h("code", {}, media)), members(schema, document)])];
}

function answers(operation, document) {
  return [h("h3", {}, "Answers"), Object.entries(operation.responses).map(([status, answer]) => h("div.answer", {},
    h("p", {}, badge(status), ` ${answer.description} `, Object.keys(answer.content || {}).map((media) => h("code", {}, media)).flatMap((one) => [one, " "])),
    status !== "default" && Object.values(answer.content || {}).slice(0, 1).map(({ schema }) => members(schema, document))))];
}

function members(schema, document) {
  const found = resolved(schema, document);
  const rows = Object.entries(found?.properties || {});
  if (!rows.length) return null;
  return h("details.more", {}, h("summary", {}, found.title || "Members"), found.description && h("p.quiet", {}, found.description),
    table(["Member", "Type", "What it is"], rows.map(([name, one]) => [h("code", {}, name), kind(one), one.description || ""])));
}

function resolved(schema, document) {
  const one = schema?.anyOf ? schema.anyOf.find((option) => option.$ref) : schema;
  return one?.$ref ? { title: one.$ref.split("/").at(-1), ...document.components.schemas[one.$ref.split("/").at(-1)] } : one;
}

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.type === "array") return `list of ${kind(schema.items) || "anything"}`;
  const range = schema.minimum !== undefined ? `, ${schema.minimum} to ${schema.maximum ?? "…"}` : "";
  return `${schema.format || schema.type || "anything"}${range}`;
}

function table(head, rows) {
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": head[0] }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}
