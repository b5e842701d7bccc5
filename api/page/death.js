// How a job died, or an attempt: the step, the cap, the peak, the last words, and what would have been enough.
import { badge, facts, h, meter } from "./dom.js";
import { bytes, clock, count, mebibytes, percent, seconds } from "./format.js";

const MIB = 1024 * 1024;
const MEMORY = ["memory_cap", "memory_watch", "oom_killed", "machine_full"];
const ALLOCATION = /allocate ([\d.]+) (KiB|MiB|GiB|TiB)/;
const UNIT = { KiB: 1024, MiB: MIB, GiB: 1024 * MIB, TiB: 1024 * 1024 * MIB };
const SPARE = 1.15;
const STEP = 32;
const FEW = 8;
const STEPS = { open: "opening the data", close: "summing up" };

/** What ended a failed job. */
export function death(job) {
  const error = job.error || { code: "unknown", message: "The service names no cause." };
  const detail = error.detail || {};
  const attempts = (job.attempt_log || []).filter((one) => one.outcome !== "succeeded");
  const last = attempts.at(-1);
  const evidence = detail.evidence || last?.evidence || {};
  return h("section.death", { "aria-labelledby": "death" },
    h("h2", { id: "death" }, "Why it failed ", badge(error.code)),
    h("p", {}, error.message),
    remedy(job, error, evidence, last),
    facts([
      ["Step", detail.at || (last && (STEPS[last.chunk] || `chunk ${last.chunk}`))],
      ["Attempts", detail.attempts && count(detail.attempts)],
      ["Halved on the way", halvings(attempts)],
      ...ofEvidence(evidence),
    ]),
    evidence.stderr && [h("h3", {}, "Its last words"), h("pre", { tabindex: "0" }, evidence.stderr)]);
}

function halvings(attempts) {
  const sizes = [...new Set(attempts.filter(({ outcome }) => MEMORY.includes(outcome)).map(({ chunk }) => rowsOf(chunk)).filter(Boolean))];
  return sizes.length > 1 ? sizes.map(count).join(" → ") + " rows" : null;
}

function rowsOf(chunk) {
  const found = /^(\d+)-(\d+)$/.exec(chunk);
  return found && Number(found[2]) - Number(found[1]) + 1;
}

function ofEvidence(evidence) {
  const share = evidence.cap_bytes && evidence.peak_bytes / evidence.cap_bytes;
  return [
    ["Cap", bytes(evidence.cap_bytes)],
    ["Peak", evidence.peak_bytes !== undefined && [bytes(evidence.peak_bytes), share ? meter(share, `${percent(share)} of the cap`, share > 0.9 ? "high" : "") : null]],
    ["Address space", evidence.vm_peak_bytes && `${bytes(evidence.vm_peak_bytes)}${evidence.vm_limit_bytes ? ` of ${bytes(evidence.vm_limit_bytes)}` : ""}`],
    ["Signal", evidence.signal],
    ["Exit code", evidence.exit_code || null],
    ["Ran for", seconds(evidence.seconds)],
  ];
}

function remedy(job, error, evidence, last) {
  const found = advice(error, error.detail || {}, evidence, last, job);
  return found && h("div.remedy", {}, h("strong", {}, "What to do"), h("p", {}, found.text), found.setting && h("code.setting", {}, found.setting));
}

function advice(error, detail, evidence, last, job) {
  const cap = evidence.cap_bytes || job.cap_bytes;
  if (error.code === "machine_full" || error.code === "oom_killed") {
    return { text: "The machine ran full, not the child's own cap. Fewer children at a time leave more room for each.", setting: "WORKER_SLOTS=1" };
  }
  if (MEMORY.includes(error.code) && cap) return moreMemory(cap, detail, `${last?.message || ""} ${evidence.stderr || ""}`);
  if (error.code === "timed_out" && evidence.seconds) {
    const enough = Math.ceil(evidence.seconds * 2 / 60) * 60;
    return { text: `It was stopped after ${seconds(evidence.seconds)}. The operator can allow twice that, or you ask for fewer rows in a chunk.`, setting: `CHUNK_TIMEOUT_S=${enough}` };
  }
  return null;
}

/** A number where one is known: from the estimate, or from what was asked for in vain. */
function moreMemory(cap, detail, said) {
  const allocation = ALLOCATION.exec(said);
  const wanted = detail.needed_bytes ? cap + detail.needed_bytes - (detail.room_bytes ?? cap)
    : allocation ? cap + Number(allocation[1]) * UNIT[allocation[2]] : null;
  const enough = Math.ceil(mebibytes((wanted || 2 * cap) * (wanted ? SPARE : 1)) / STEP) * STEP;
  const why = wanted ? `It needed about ${bytes(wanted)}; this cap would have been enough.`
    : `How much it wanted beyond its cap of ${bytes(cap)} is not known. Twice as much is a good next try.`;
  return { text: `${why} The operator sets it at the worker; a smaller background or fewer samples take less.`, setting: `CHILD_MEMORY_MB=${enough}` };
}

/** The attempts on record, the last first: those that did not succeed, and of the others a few until all are asked for. */
export function attempts(job, all = false) {
  const log = job.attempt_log || [];
  if (!log.length) return null;
  const bad = log.filter(({ outcome }) => outcome !== "succeeded").length;
  const shown = [...log].reverse().filter(({ outcome }, at) => all || at < FEW || outcome !== "succeeded");
  const made = h("details.more", { open: all || job.status === "failed" },
    h("summary", {}, `Attempts: ${count(log.length)} on record, ${bad ? `${count(bad)} without success` : "all succeeded"}`),
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Attempts" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Chunk", "Outcome", "Peak", "Time", "Ended", "What was said"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, shown.map(line)))),
    shown.length < log.length && h("button", { type: "button", onclick: () => made.replaceWith(attempts(job, true)) }, "Show all"));
  return made;
}

function line(one) {
  return h("tr", {}, h("th", { scope: "row" }, one.chunk), h("td", {}, badge(one.outcome)),
    h("td", {}, one.evidence.peak_bytes ? bytes(one.evidence.peak_bytes) : "–"), h("td", {}, seconds(one.seconds)), h("td", {}, clock(one.ended_at)),
    h("td.said", {}, one.message || "", one.evidence.signal && ` ${one.evidence.signal}`, one.evidence.stderr && h("pre", {}, one.evidence.stderr)));
}
