// What this tab has sent, so that a job can be tried again while the tab is open. Files stay the browser's: nothing of
// them is read or kept here.

const KEPT = 20;
const sent = new Map();
let next = null;

export function remember(jobId, asked) {
  sent.set(jobId, asked);
  if (sent.size > KEPT) sent.delete(sent.keys().next().value);
}

/** Goes to Start with what a job was made of, as far as that is known. */
export function tryAgain(job) {
  next = sent.get(job.job_id) || { files: {}, modelId: null, options: asOptions(job.options) };
  location.hash = "#/";
}

function asOptions(options) {
  const { dry_run: _, ...rest } = options || {};
  return rest;
}

/** What Start is to begin with, once. */
export function again() {
  const found = next;
  next = null;
  return found;
}
