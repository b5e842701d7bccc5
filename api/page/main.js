// Which view an address means. A view is a function (place, part of the address) that fills `place`, and may return
// how to leave it; each comes with its own module, on first need.
import { announce, fault, h, loading, show } from "./dom.js";
import { may, signIn, start } from "./session.js";

const OF_JOB = ["job", "sent", "death", "strip", "jobs", "results", "charts", "sample", "vega"];
const VIEWS = [
  [/^\/docs$/, "Docs", () => import("./docs.js")],
  [/^#\/jobs$/, "Jobs", () => import("./jobs.js")],
  [/^#\/jobs\/([\w-]+)$/, "Job", () => import("./job.js")],
  [/^#\/machines$/, "Machines", () => import("./machines.js"), "admin"],
  [/^(#\/?)?$/, "Start", () => import("./start.js")],
];
const place = document.getElementById("main");
let leave = () => {};
let turn = 0;

function address() {
  return location.pathname === "/docs" ? "/docs" : location.hash;
}

/** Fetches what a job's view is made of before its modules have come and ask for each other; nothing is run. */
function fetchAhead() {
  if (!location.hash.startsWith("#/jobs/")) return;
  const link = (name) => h("link", { rel: "modulepreload", href: new URL(`./${name}.js`, import.meta.url).href });
  document.head.append(...OF_JOB.splice(0).map(link));
}

async function visit() {
  const mine = ++turn;
  fetchAhead();
  leave();
  leave = () => {};
  const [pattern, title, load, realm = "jobs"] = VIEWS.find(([known]) => known.test(address())) || VIEWS.at(-1);
  document.title = `${title} · shap-supervisor`;
  mark(title === "Job" ? "Jobs" : title);
  if (!may(realm) && title !== "Docs") return show(place, h("div.page", {}, signIn(reason(realm))));
  show(place, h("div.page", {}, loading(title.toLowerCase())));
  try {
    const { view } = await load();
    if (mine !== turn) return;
    leave = (await view(show(place), address().match(pattern)?.[1])) || leave;
    if (mine !== turn) leave();
  } catch (problem) {
    if (mine === turn) show(place, h("div.page", {}, fault(problem, visit)));
  }
}

function reason(realm) {
  return realm === "admin" && may("jobs") ? "The machines are for the operator: sign in with ADMIN_TOKEN."
    : "This service asks for a token.";
}

function mark(title) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.textContent === title) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", () => {
  if (address() === "#main") return;
  visit();
  place.focus({ preventScroll: true });
  scrollTo(0, 0);
  announce(document.title);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});
fetchAhead();
start(visit).catch((problem) => show(place, h("div.page", {}, fault(problem, () => location.reload()))));
