// One job, live: its chunks, how it is going, how it ended; then what its model has learnt.
import { announce, badge, facts, fault, h, meter, show } from "./dom.js";
import { attempts, death } from "./death.js";
import { bytes, count, moment, percent, plural, seconds } from "./format.js";
import { follow, get } from "./http.js";
import { actions, hasEnded, isCheck, title } from "./jobs.js";
import { results } from "./results.js";
import { strip } from "./strip.js";

const PAUSE_MS = 700;

export async function view(place, jobId) {
  let job = await get(`/jobs/${jobId}`), stop = () => {}, timer = 0, tick = 0, left = false;
  const parts = Object.fromEntries(["head", "trouble", "progress", "end", "results", "about", "log"].map((name) => [name, h(`div.${name}`)]));
  show(place, h("div.page.wide", {}, Object.values(parts)));
  draw();
  if (hasEnded(job)) finish();
  else begin();
  await chunks().catch((problem) => show(parts.trouble, fault(problem)));
  return () => { left = true; stop(); clearTimeout(timer); clearInterval(tick); };

  function begin() {
    tick = setInterval(drawProgress, 1000);
    stop = follow(`/jobs/${jobId}/events`, {
      progress: changed, end: ended,
      error: (closed) => closed && show(parts.trouble, fault(new Error("The line to the service was cut. Load the page again to go on."), () => location.reload())),
    });
  }

  function changed(news) {
    job = { ...job, ...news, seconds: job.seconds };
    draw();
    if (!timer) timer = setTimeout(catchUp, PAUSE_MS);
  }

  /** What events do not carry, at most so often. */
  async function catchUp() {
    timer = 0;
    if (left || document.hidden) return;
    try {
      await Promise.all([chunks(), log()]);
      show(parts.trouble);
    } catch (problem) {
      show(parts.trouble, fault(problem, catchUp));
    }
  }

  async function ended() {
    stop();
    clearInterval(tick);
    clearTimeout(timer);
    if (left) return;
    try {
      await log();
      draw();
      await chunks();
      announce(`The job ${job.status === "finished" ? "has finished" : `was ${job.status}`}.`.replace("was failed", "has failed"));
      finish();
    } catch (problem) {
      show(parts.trouble, fault(problem, ended));
    }
  }

  async function log() {
    job = await get(`/jobs/${jobId}`);
    if (left) return;
    const open = parts.log.querySelector("details")?.open;
    show(parts.log, attempts(job));
    const details = parts.log.querySelector("details");
    if (open !== undefined && details) details.open = open;
  }

  async function chunks() {
    const { chunks: listed } = await get(`/jobs/${jobId}/chunks`);
    if (!left) drawProgress(listed);
  }

  function finish() {
    if (left) return;
    if (job.status === "failed") show(parts.end, death(job));
    if (job.status === "finished" && isCheck(job)) show(parts.end, h("p.quiet", {}, "A dry run: nothing was computed."));
    if (job.status === "finished" && !isCheck(job)) results(parts.results, job);
  }

  function draw() {
    show(parts.head, heading(job, act));
    drawProgress();
    show(parts.about, about(job));
    if (!parts.log.childElementCount) show(parts.log, attempts(job));
  }

  function drawProgress(listed) {
    if (listed?.length) parts.strip = strip(listed, job.rows || listed.at(-1).last + 1, job.attempt_log || []);
    show(parts.progress, progress(job), parts.strip);
  }

  async function act(work, said) {
    try {
      await work();
      announce(said);
    } catch (problem) {
      show(parts.trouble, fault(problem));
    }
  }
}

function heading(job, act) {
  const report = job.status === "finished" && !isCheck(job) &&
    h("a.button", { href: `/jobs/${job.job_id}/report`, target: "_blank", rel: "noopener" }, "Report");
  return h("header.lead", {},
    h("p.quiet", {}, h("a", { href: "#/jobs" }, "Jobs"), ` / ${job.job_id}`),
    h("div.title", {}, h("h1", {}, hasEnded(job) || job.model ? title(job) : "Opening the model…"), badge(job.status),
      h("div.acts", {}, report, actions(job, act))));
}

function progress(job) {
  if (job.rows === null) return hasEnded(job) ? null : h("p.quiet.loading", { role: "status" }, job.status === "queued" ? "It waits for a slot." : "Its model and its table are being read.");
  const share = job.rows ? job.rows_done / job.rows : 1;
  const ran = (Date.parse(job.ended_at) || Date.now()) / 1000 - Date.parse(job.started_at) / 1000;
  const speed = job.rows_done / Math.max(ran, 0.001);
  const told = [
    hasEnded(job) && share === 1 ? plural(job.rows, "row") : `${count(job.rows_done)} of ${count(job.rows)} rows`,
    `${count(job.chunks_done)} of ${plural(job.chunks, "chunk")}`,
    job.rows_done > 0 && `${count(Math.round(speed))} rows a second`,
    hasEnded(job) ? seconds(ran) : job.rows_done > 0 && job.rows_done < job.rows && `about ${seconds((job.rows - job.rows_done) / speed)} left`,
  ].filter(Boolean);
  return [h("p.figures", {}, told.map((text) => h("span", {}, text))), !hasEnded(job) && meter(share, `${percent(share)} done`)];
}

function about(job) {
  const memory = job.peak_child_bytes > 0 && [`${bytes(job.peak_child_bytes)} in one process${job.cap_bytes ? `, of a cap of ${bytes(job.cap_bytes)}` : ""}`,
    job.cap_bytes && meter(job.peak_child_bytes / job.cap_bytes, `${percent(job.peak_child_bytes / job.cap_bytes)} of the cap`)];
  const options = Object.entries(job.options || {}).map(([name, one]) => `${name}: ${JSON.stringify(one)}`).join(", ");
  const warnings = job.warnings || [];
  return [
    warnings.length > 0 && h("div.warn", {}, h("strong", {}, "Worth knowing"), h("ul", {}, warnings.map(({ message }) => h("li", {}, message)))),
    h("details.more", { open: !hasEnded(job) || job.status !== "finished" }, h("summary", {}, "About this job"), facts([
      ["Model", job.model && `${job.model.name} (${job.model.family})`],
      ["Explainer", job.explainer && `${job.explainer}: ${job.engine}`],
      ["Why", job.reason],
      ["Explains", job.explains],
      ["Features", count(job.features)],
      ["Outputs", count(job.outputs)],
      ["Peak memory", memory || null],
      ["Attempts", job.attempts ? `${count(job.attempts)}${job.crashes ? `, and ${plural(job.crashes, "lost supervisor")}` : ""}` : null],
      ["Options", options],
      ["Caller", job.caller],
      ["Submitted", moment(job.created_at)],
      ["Ended", moment(job.ended_at)],
    ])),
  ];
}
