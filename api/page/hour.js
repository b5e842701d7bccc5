// An hour of memory and queue, as two small pictures with a sentence each.
import { h, svg } from "./dom.js";
import { bytes, count, plural } from "./format.js";

const WIDTH = 600, HEIGHT = 90;
const HOUR_MS = 3600 * 1000;

/** `points` of all supervisors as /admin/memory has them, `limits` in bytes by supervisor. */
export function hour(points, limits) {
  if (!points.length) return h("p.quiet", {}, "Nothing is known of it yet.");
  const until = Math.max(...points.map(({ at_ms: at }) => at)), since = Math.max(until - HOUR_MS, Math.min(...points.map(({ at_ms: at }) => at)));
  const names = [...new Set(points.map(({ supervisor }) => supervisor))].filter((name) => name in limits);
  const own = (name) => points.filter(({ supervisor }) => supervisor === name);
  return h("div.hour", {}, names.map((name) => memory(name, own(name), limits[name], since, until)), queue(points, since, until));
}

function memory(name, points, limit, since, until) {
  const sizes = points.map(({ in_use_bytes: size }) => size || 0), most = Math.max(...sizes), top = Math.max(limit || 0, most) || 1;
  return figure(`Memory in use at ${name}`, `now ${bytes(sizes.at(-1))}, at most ${bytes(most)}, of ${bytes(limit)}`,
    line(points, (point) => (point.in_use_bytes || 0) / top, since, until));
}

function queue(points, since, until) {
  const known = points.filter(({ waiting_jobs: number }) => number !== undefined && number !== null);
  if (!known.length) return null;
  const most = Math.max(...known.map(({ waiting_jobs: number }) => number));
  return figure("Jobs waiting", `now ${plural(known.at(-1).waiting_jobs, "job")}, at most ${count(most)}`,
    line(known, (point) => point.waiting_jobs / Math.max(most, 1), since, until));
}

function figure(title, told, drawn) {
  return h("figure", {}, h("figcaption", {}, h("strong", {}, title), h("span.quiet", {}, ` ${told}`)),
    svg("svg", { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${told}` }, drawn));
}

function line(points, share, since, until) {
  const x = (at) => (WIDTH * (at - since)) / Math.max(until - since, 1);
  const steps = points.filter(({ at_ms: at }) => at >= since).map((point) => `${x(point.at_ms).toFixed(1)},${(HEIGHT - 2 - (HEIGHT - 6) * share(point)).toFixed(1)}`);
  const first = steps[0]?.split(",")[0] ?? 0, last = steps.at(-1)?.split(",")[0] ?? WIDTH;
  return [svg("polygon", { points: `${first},${HEIGHT} ${steps.join(" ")} ${last},${HEIGHT}` }), svg("polyline", { points: steps.join(" ") })];
}
