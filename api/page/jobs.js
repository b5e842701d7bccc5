// The list of jobs, live: filter, search, cancel, try again, download.
import { announce, badge, empty, fault, h, loading, meter, show } from "./dom.js";
import { ago, bytes, count, moment, percent, seconds } from "./format.js";
import { answered, get, send } from "./http.js";
import { tryAgain } from "./sent.js";

const LOOK_MS = 2000;
const PAGE = 50;
const STATES = ["all", "queued", "started", "finished", "failed", "cancelled"];
export const hasEnded = (job) => !["queued", "started"].includes(job.status);
export const isCheck = (job) => Boolean(job.options?.dry_run);

export async function view(place) {
  let state = "all", search = "", checks = false, limit = PAGE, jobs = null, timer = 0, left = false;
  const list = h("div", { "aria-busy": "true" }, loading("jobs"));
  const trouble = h("div");
  const filter = h("div.segments", { role: "group", "aria-label": "State" }, STATES.map((name) =>
    h("button", { type: "button", "aria-pressed": String(name === state), onclick: (event) => choose(name, event.currentTarget) }, name)));
  const find = h("input", { type: "search", id: "find", placeholder: "Job, model or cause", oninput: () => { search = find.value.toLowerCase(); draw(); } });
  const dry = h("input", { type: "checkbox", id: "checks", onchange: () => { checks = dry.checked; draw(); } });
  show(place, h("div.page.wide", {}, h("h1", {}, "Jobs"),
    h("div.tools", {}, filter, h("label.unseen", { for: "find" }, "Search"), find,
      h("span.check", {}, dry, h("label", { for: "checks" }, "dry runs"))),
    trouble, list));
  await look();
  return () => { left = true; clearTimeout(timer); };

  function choose(name, button) {
    state = name;
    for (const one of filter.children) one.setAttribute("aria-pressed", String(one === button));
    draw();
  }

  async function look() {
    clearTimeout(timer);
    try {
      if (!document.hidden || jobs === null) jobs = (await get(`/jobs?limit=${limit}`)).jobs;
      show(trouble);
      draw();
    } catch (problem) {
      if (jobs === null) show(list);
      show(trouble, fault(problem, look));
    }
    if (!left) timer = setTimeout(look, LOOK_MS);
  }

  function draw() {
    if (!jobs || left) return;
    const found = jobs.filter((job) => (state === "all" || job.status === state) && (checks || !isCheck(job)) && fits(job, search));
    const focused = document.activeElement?.id;
    list.removeAttribute("aria-busy");
    show(list, found.length ? table(found, act) : none(jobs),
      jobs.length === limit && limit < 200 && h("button", { type: "button", onclick: () => { limit = Math.min(200, limit + PAGE); look(); } }, "Show older ones"));
    if (focused && list.contains(document.getElementById(focused))) document.getElementById(focused).focus();
  }

  async function act(work, said) {
    try {
      await work();
      announce(said);
      await look();
    } catch (problem) {
      show(trouble, fault(problem));
    }
  }
}

function fits(job, search) {
  const told = [job.job_id, job.caller, job.model?.name, job.model?.family, job.explainer, job.error?.code, job.error?.message];
  return !search || told.some((text) => text && text.toLowerCase().includes(search));
}

function none(jobs) {
  return jobs.length ? empty("Nothing fits", "No job has this state, or fits the search.")
    : empty("No jobs yet", "What you start appears here, and stays for a while after it has ended.", h("a.button.primary", { href: "#/" }, "Start one"));
}

function table(jobs, act) {
  return h("div.scroll", {}, h("table.jobs", {},
    h("thead", {}, h("tr", {}, ["Job", "State", "Progress", "Memory", "Started", "Actions"].map((name) =>
      h("th", { scope: "col" }, name === "Actions" ? h("span.unseen", {}, name) : name)))),
    h("tbody", {}, jobs.map((job) => row(job, act)))));
}

function row(job, act) {
  const cell = (label, ...inside) => h("td", { "data-label": label }, inside);
  return h("tr", {},
    h("th", { scope: "row" }, h("a", { href: `#/jobs/${job.job_id}`, id: `of-${job.job_id}` }, title(job)),
      h("span.quiet.id", {}, job.job_id.slice(0, 8), job.caller && ` · ${job.caller}`, isCheck(job) && " · dry run")),
    cell("State", badge(job.status), job.error && h("span.cause", { title: job.error.message }, job.error.code)),
    cell("Progress", progress(job)),
    cell("Memory", memory(job)),
    cell("Started", h("time", { datetime: job.created_at, title: moment(job.created_at) }, ago(job.created_at)),
      job.seconds !== null && h("span.quiet", {}, ` · ${seconds(job.seconds)}`)),
    h("td", {}, h("div.acts", {}, actions(job, act))));
}

export function title(job) {
  return job.model?.name || (isCheck(job) ? "Dry run" : `Job ${job.job_id.slice(0, 6)}`);
}

function progress(job) {
  if (job.rows === null) return h("span.quiet", {}, hasEnded(job) ? "–" : "not opened yet");
  const share = job.rows_done / job.rows;
  return [h("span", {}, hasEnded(job) && share === 1 ? `${count(job.rows)} rows` : `${count(job.rows_done)} of ${count(job.rows)} rows`),
    !hasEnded(job) && meter(share, `${percent(share)} done`)];
}

function memory(job) {
  if (!job.peak_child_bytes) return h("span.quiet", {}, "–");
  const share = job.cap_bytes ? job.peak_child_bytes / job.cap_bytes : 0;
  return [h("span", {}, bytes(job.peak_child_bytes)),
    job.cap_bytes && meter(share, `${percent(share)} of the cap`, share > 0.9 ? "high" : "")];
}

export function actions(job, act) {
  const button = (id, label, onclick) => h("button", { type: "button", id: `${id}-${job.job_id}`, onclick, "aria-label": `${label} job ${job.job_id.slice(0, 8)}` }, label);
  if (!hasEnded(job)) return [button("cancel", "Cancel", () => act(() => send("DELETE", `/jobs/${job.job_id}`), "The job was cancelled."))];
  const result = job.status === "finished" && !isCheck(job) &&
    button("download", "Download", () => act(() => save(job.job_id), "The values are being saved."));
  return [result, button("again", "Try again", () => tryAgain(job))];
}

/** As CSV, which a link cannot ask for: it has no Accept. */
async function save(jobId) {
  const response = await answered(`/jobs/${jobId}/result`, { headers: { Accept: "text/csv" } });
  const link = h("a", { href: URL.createObjectURL(await response.blob()), download: `${jobId}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
