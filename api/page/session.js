// Signing in and out, and what this browser may see. The token itself is sent once and kept nowhere.
import { announce, fault, h, show } from "./dom.js";
import { get, send } from "./http.js";

const OPEN = { needs_token: false, jobs: true, admin: true, caller: "" };
let session = OPEN;
let changed = () => {};

export const may = (what) => session[what];

/** Asks who we are; `then` is called now and whenever that changes. */
export async function start(then) {
  changed = then;
  document.addEventListener("signed-out", () => refresh().catch(() => {}));
  await refresh(true);
}

async function refresh(always = false) {
  const before = JSON.stringify(session);
  session = await get("/session");
  tell();
  if (always || JSON.stringify(session) !== before) changed();
}

function tell() {
  const name = session.admin ? "operator" : session.caller || "signed in";
  show(document.getElementById("who"), session.needs_token && session.jobs &&
    [h("span.quiet", {}, name), h("button.plain", { type: "button", onclick: leave }, "Sign out")]);
}

async function leave() {
  await send("DELETE", "/session");
  announce("Signed out.");
  await refresh(true);
}

/** The form that asks for a token; `text` says what for. */
export function signIn(text) {
  const trouble = h("div");
  const token = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  async function enter(event) {
    event.preventDefault();
    try {
      session = await send("POST", "/session", { token: token.value });
      token.value = "";
      announce("Signed in.");
      tell();
      changed();
    } catch (problem) {
      show(trouble, fault(problem));
      token.select();
    }
  }
  return h("form.card.narrow", { onsubmit: enter },
    h("h1", {}, "Sign in"), h("p", {}, text),
    h("label", { for: "token" }, "Token"), token, trouble,
    h("button.primary", { type: "submit" }, "Sign in"),
    h("p.quiet", {}, "It becomes a cookie for twelve hours, which no script can read. The operator of this service has set it (API_TOKEN, API_TOKENS or ADMIN_TOKEN)."));
}
