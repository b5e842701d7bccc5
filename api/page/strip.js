// The chunks of a job as a strip: as wide as their rows, coloured by state; below a chunk that was halved, its halves.
import { h, svg } from "./dom.js";
import { count, plural } from "./format.js";

const LEVEL = 14;
const GAPS_UP_TO = 200;
const WORDS = { done: "done", leased: "at work", pending: "waiting", again: "to be tried again", halved: "halved", dead: "dead" };

/** `chunks` as /jobs/{id}/chunks lists them, `rows` of the whole job, and its attempts, as far as they are on record. */
export function strip(chunks, rows, attempts) {
  const ends = Object.fromEntries(attempts.filter(({ outcome }) => outcome !== "succeeded").map(({ chunk, outcome }) => [chunk, outcome]));
  const drawn = nested(chunks);
  const levels = 1 + Math.max(...drawn.map(({ depth }) => depth));
  const counts = counted(drawn);
  const told = Object.entries(counts).map(([state, number]) => `${count(number)} ${WORDS[state]}`).join(", ");
  const picture = svg("svg", { class: `strip${chunks.length > GAPS_UP_TO ? " is-dense" : ""}`, viewBox: `0 0 ${rows} ${levels * LEVEL}`, preserveAspectRatio: "none", height: levels * LEVEL, role: "img", "aria-label": `${plural(drawn.length, "chunk")}: ${told}` },
    drawn.map(({ chunk, depth, state }) =>
      svg("rect", { x: chunk.first, y: depth * LEVEL, width: chunk.last - chunk.first + 1, height: LEVEL - 2, class: `chunk-${state}` },
        svg("title", {}, `rows ${chunk.chunk}: ${WORDS[state]}${chunk.chunk in ends ? ` after ${ends[chunk.chunk]}` : ""}${chunk.attempts ? `, ${plural(chunk.attempts, "attempt")} without success` : ""}`))));
  return h("div", {}, picture, h("ul.legend", { "aria-hidden": "true" }, Object.entries(counts).map(([state, number]) =>
    h("li", {}, h(`i.chunk-${state}`), `${count(number)} ${WORDS[state]}`))));
}

/** Each with how deep it lies within others, which were halved. They come by first row, the larger first. */
function nested(chunks) {
  const around = [];
  return chunks.map((chunk, at) => {
    while (around.length && around.at(-1).last < chunk.first) around.pop();
    const depth = around.length;
    const inner = chunks[at + 1];
    const halved = inner && inner.first >= chunk.first && inner.last <= chunk.last;
    if (halved) around.push(chunk);
    return { chunk, depth, state: halved ? "halved" : chunk.state === "pending" && chunk.attempts ? "again" : chunk.state };
  });
}

function counted(drawn) {
  const counts = {};
  for (const name of Object.keys(WORDS)) {
    const number = drawn.filter(({ state }) => state === name).length;
    if (number) counts[name] = number;
  }
  return counts;
}
