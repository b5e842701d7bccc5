// One file of a job: dropped, or chosen with the keyboard. Tells what its name and its first bytes look like.
import { h, show } from "./dom.js";
import { bytes } from "./format.js";

const HEAD_BYTES = 64 * 1024;
const BINARY = /[\x00-\x08\x0e-\x1f\ufffd]/;

/** A field for one file. `changed` is called after each choice; `file()` is what was chosen, `say` adds a line. */
export function pick({ id, title, hint, changed, more = null }) {
  let file = null;
  const input = h("input", { type: "file", id, onchange: () => choose(input.files[0]) });
  const name = h("span.file", {}, hint);
  const note = h("p.quiet.note", { id: `${id}-note` });
  input.setAttribute("aria-describedby", note.id);
  const zone = h("div.drop", { ondragover: over, ondragleave: out, ondrop: dropped },
    h("label", { for: id }, h("strong", {}, title), name), input, note, more);

  function choose(found) {
    file = found || null;
    zone.classList.toggle("has-file", Boolean(file));
    show(name, file ? `${file.name} · ${bytes(file.size)}` : hint);
    show(note);
    changed();
  }
  function over(event) {
    event.preventDefault();
    zone.classList.add("is-over");
  }
  function out() {
    zone.classList.remove("is-over");
  }
  function dropped(event) {
    event.preventDefault();
    out();
    if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  }
  return { zone, choose, file: () => file, say: (...told) => show(note, ...told) };
}

/** What a model's file looks like; the service decides by its content. */
export async function modelKind(file) {
  const head = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (text.startsWith("PK")) return "skops (scikit-learn)";
  if (text.startsWith("CBM1")) return "CatBoost";
  if (/^tree\r?\n/.test(text)) return "LightGBM text";
  if (/^\{[LliIUu]/.test(text)) return "XGBoost UBJSON";
  if (/^\s*\{/.test(text)) return "XGBoost JSON";
  if (head[0] === 0x80) return "a pickle, which is not taken: save it with skops";
  return null;
}

/** The names in a CSV file's first line; null for what is none. */
export async function csvColumns(file) {
  const head = await file.slice(0, HEAD_BYTES).text();
  const line = head.split(/\r?\n/, 1)[0].replace(/^\ufeff/, "");
  if (!line || /^[{[]/.test(line) || BINARY.test(head.slice(0, 1024))) return null;
  const separator = [",", ";", "\t", "|"].reduce((best, one) => line.split(one).length > line.split(best).length ? one : best);
  return cells(line, separator);
}

function cells(line, separator) {
  const found = [""];
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"' && quoted && line[at + 1] === '"') found[found.length - 1] += line[at++];
    else if (line[at] === '"') quoted = !quoted;
    else if (line[at] === separator && !quoted) found.push("");
    else found[found.length - 1] += line[at];
  }
  return found;
}
