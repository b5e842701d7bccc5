// For the operator: every supervisor, its budget, each child against its cap, live; kills, and the last hour.
import { badge, empty, facts, fault, h, meter, show } from "./dom.js";
import { ago, bytes, clock, count, percent, plural, seconds } from "./format.js";
import { follow, get } from "./http.js";
import { hour } from "./hour.js";

const POINTS = 600;
const HIGH = 0.9;

export async function view(place) {
  const state = await get("/admin/memory");
  const opened = new Set();
  let points = state.history, waiting = points.at(-1)?.waiting_jobs ?? null, leased = null;
  const trouble = h("div"), now = h("div"), past = h("section", { "aria-labelledby": "hour" }), ends = h("div");
  show(place, h("div.page.wide", {}, h("h1", {}, "Machines"), trouble, now, past, ends));
  draw(state);
  return follow("/admin/events", {
    machines: (news) => {
      ({ waiting_jobs: waiting, leased_chunks: leased } = news);
      points = [...points, ...news.memory.supervisors.map(asPoint)].slice(-POINTS);
      show(trouble);
      if (!document.hidden) draw(news.memory);
    },
    error: (closed) => show(trouble, fault(new Error(closed ? "The line to the service was refused. Load the page again, or sign in again." : "The line to the service was cut. It is taken up again by itself."))),
  });

  function asPoint(supervisor) {
    return { supervisor: supervisor.name, at_ms: Date.now(), in_use_bytes: supervisor.in_use_bytes, children: supervisor.children.length, waiting_jobs: waiting };
  }

  function draw(memory) {
    show(now, figures(memory), memory.supervisors.length ? memory.supervisors.map((one) => machine(one, opened))
      : empty("No supervisor is there", "None has sent a heartbeat lately. Jobs wait until a worker runs: shap-supervisor worker."));
    const limits = Object.fromEntries(memory.supervisors.map(({ name, limit_bytes: limit }) => [name, limit]));
    show(past, h("h2", { id: "hour" }, "The last hour"), hour(points, limits));
    const open = ends.querySelector("details")?.open;
    show(ends, kills(memory.kills), failures(memory.last_failures));
    if (open) ends.querySelector("details").open = true;
  }

  function figures(memory) {
    const { used_memory_bytes: used, maxmemory_bytes: most } = memory.redis;
    return h("p.figures", {},
      h("span", {}, plural(memory.supervisors.length, "supervisor")),
      waiting !== null && h("span", {}, `${plural(waiting, "job")} waiting`),
      leased !== null && h("span", {}, `${plural(leased, "chunk")} at work`),
      used !== null && h("span", {}, `store ${bytes(used)}${most ? ` of ${bytes(most)}` : ""}`),
      h("span", {}, `web process ${bytes(memory.web.rss_bytes)}`));
  }
}

/** One supervisor; `opened` has the names of those whose details stay open when it is drawn again. */
function machine(told, opened) {
  const inUse = told.in_use_bytes || told.rss_bytes;
  const notes = [told.draining && badge("draining"), told.nearly_full && badge("nearly full")];
  return h("section.card.machine", { "aria-label": `Supervisor ${told.name}` },
    h("div.title", {}, h("h2", {}, told.name), notes, h("span.quiet", {}, `${told.host}, pid ${told.pid}, ${told.version}, up ${seconds(Date.now() / 1000 - told.started_at)}`)),
    h("div.gauges", {},
      gauge("Machine", inUse, told.limit_bytes, told.limit_source),
      gauge("Budget for children", told.reserved_bytes || 0, told.budget_bytes, `${plural(told.slots, "slot")} of ${bytes(told.cap_bytes)}`)),
    children(told),
    h("details.more", { open: opened.has(told.name), ontoggle: (event) => opened[event.target.open ? "add" : "delete"](told.name) },
      h("summary", {}, "Processes and arithmetic"), facts([
      ["Supervisor", bytes(told.rss_bytes)],
      ...[told.forkserver, told.full_forkserver].filter(Boolean).map((one) => [`Forkserver, ${one.stack}`, `${bytes(one.pss_bytes || one.rss_bytes)}, pid ${one.pid}`]),
      ...told.templates.map((one) => [`Template, ${one.stack}`, `${one.model}: ${bytes(one.growth_bytes)}, ${one.children ? plural(one.children, "child", "children") : `idle for ${seconds(one.idle_s)}`}`]),
      ["Plan", told.arithmetic],
      ["Sandbox", told.sandbox && (told.sandbox.missing.length ? `missing: ${told.sandbox.missing.join(", ")}` : `${told.sandbox.active.length} layers, none missing`)],
    ])));
}

function gauge(name, size, whole, note) {
  const share = whole ? size / whole : 0;
  return h("div", {}, h("div.quiet", {}, name), h("strong", {}, `${bytes(size)} of ${bytes(whole)}`), h("span.quiet", {}, ` ${note || ""}`),
    meter(share, `${name}: ${percent(share)}`, share > HIGH ? "high" : ""));
}

function children(told) {
  if (!told.children.length) return h("p.quiet", {}, "No child is at work.");
  return h("ul.children", {}, told.children.map((child) => {
    const share = child.share_of_cap;
    return h("li", {},
      h("a", { href: `#/jobs/${child.job_id}` }, child.chunk === "open" ? "opening" : child.chunk === "close" ? "summing up" : `rows ${child.chunk}`),
      h("span.quiet", {}, ` job ${child.job_id.slice(0, 8)}, pid ${child.pid}, ${seconds(child.age_s)}`),
      h("span.number", {}, `${bytes(child.growth_bytes)} of ${bytes(child.cap_bytes)}`),
      meter(share, `${percent(share)} of its cap`, share > HIGH ? "high" : ""));
  }));
}

function kills(found) {
  const counted = Object.entries(found).filter(([, number]) => number);
  return h("section", { "aria-labelledby": "kills" }, h("h2", { id: "kills" }, "Kills by cause"),
    counted.length ? h("p.figures", {}, counted.map(([name, number]) => h("span", {}, badge(name), ` ${count(number)}`))) : h("p.quiet", {}, "None: every child has ended by itself."));
}

function failures(found) {
  if (!found.length) return null;
  return h("details.more", {}, h("summary", {}, `The last attempts without success: ${count(found.length)}`),
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Attempts without success" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Job", "Chunk", "Outcome", "Ended", "What was said"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, found.map((one) => h("tr", {},
        h("th", { scope: "row" }, h("a", { href: `#/jobs/${one.job_id}` }, one.job_id.slice(0, 8))), h("td", {}, one.chunk),
        h("td", {}, badge(one.outcome)), h("td", { title: clock(one.ended_at * 1000) }, one.ended_at ? ago(new Date(one.ended_at * 1000).toISOString()) : "–"), h("td.said", {}, one.message || "")))))));
}
