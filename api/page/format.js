// Numbers, sizes and times as people read them.

const MIB = 1024 * 1024;
const UNITS = [["GB", 1024 * MIB], ["MB", MIB], ["KB", 1024]];

export function bytes(size) {
  if (size === null || size === undefined) return null;
  const [unit, whole] = UNITS.find(([, least]) => size >= least) || ["bytes", 1];
  const count = size / whole;
  return `${count >= 100 || whole === 1 ? Math.round(count).toLocaleString("en") : count.toFixed(1)} ${unit}`;
}

export function count(number) {
  return number === null || number === undefined ? null : number.toLocaleString("en");
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function seconds(duration) {
  if (duration === null || duration === undefined) return null;
  if (duration < 10) return `${duration.toFixed(duration < 1 ? 2 : 1)} s`;
  if (duration < 90) return `${Math.round(duration)} s`;
  const minutes = Math.round(duration / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function ago(time, now = Date.now()) {
  if (!time) return null;
  const passed = (now - Date.parse(time)) / 1000;
  return passed < 5 ? "just now" : `${seconds(passed)} ago`;
}

export function moment(time) {
  return time ? new Date(time).toLocaleString() : null;
}

export function clock(time) {
  return time ? new Date(time).toLocaleTimeString() : "–";
}

/** A number with as many digits as say something. */
export function value(number) {
  if (number === null || number === undefined) return "–";
  if (typeof number !== "number") return String(number);
  const size = Math.abs(number);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return number.toExponential(2);
  return Number(number.toPrecision(4)).toString();
}

export function percent(share) {
  return `${Math.round(100 * (share || 0))} %`;
}

export const mebibytes = (size) => Math.ceil(size / MIB);
