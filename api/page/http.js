// Requests to this service. A problem (RFC 9457) becomes a Problem, whose message is its `detail`, never a blank.

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `The service answered ${status}.`);
    Object.assign(this, { status, code: document.code || `http_${status}`, title: document.title, document });
  }
}

const AWAY = { code: "away", title: "The service cannot be reached",
  detail: "Its web process does not answer. It may be restarting: this page tries again by itself." };

export async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, AWAY);
  }
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response) {
  const found = new Problem(response.status, await response.json().catch(() => ({})));
  if (found.status === 401) document.dispatchEvent(new Event("signed-out"));
  return found;
}

export async function get(path, options = {}) {
  return (await answered(path, options)).json();
}

export async function send(method, path, document) {
  const body = document === undefined ? {} :
    { body: JSON.stringify(document), headers: { "Content-Type": "application/json" } };
  const response = await answered(path, { method, ...body });
  return response.status === 204 ? null : response.json();
}

/** Sends a form; `progress` is told the share that has left. The returned promise has `abort()`. */
export function upload(path, form, progress = () => {}) {
  const request = new XMLHttpRequest();
  const sent = new Promise((resolve, reject) => {
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new Problem(0, AWAY));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    request.onload = () => {
      let document = {};
      try { document = JSON.parse(request.responseText); } catch { /* a proxy's page says nothing to us */ }
      if (request.status < 300) return resolve(document);
      if (request.status === 401) window.document.dispatchEvent(new Event("signed-out"));
      reject(new Problem(request.status, document));
    };
    request.send(form);
  });
  sent.abort = () => request.abort();
  return sent;
}

/** Server-sent events; `on` has a function for each event, `error` for a line that is cut. Returns how to stop.
 *  A tab that nobody sees gives its line back: a browser has six of them for all of its tabs. */
export function follow(path, on) {
  let source = null;
  document.addEventListener("visibilitychange", watch);
  watch();
  return () => {
    document.removeEventListener("visibilitychange", watch);
    source?.close();
  };

  function watch() {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) open();
  }

  function open() {
    source = new EventSource(path);
    for (const [name, tell] of Object.entries(on)) {
      if (name !== "error") source.addEventListener(name, (event) => tell(JSON.parse(event.data)));
    }
    source.onerror = ({ target }) => target === source && on.error?.(target.readyState === EventSource.CLOSED);
  }
}
