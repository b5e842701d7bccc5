// Elements, whose text is always text: what a file or a caller has named can never become HTML.

/** An element: `h("p.note", {id: "x", onclick: f}, "text", child)`. Null and false children are left out. */
export function h(kind, props = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  return fill(made, props, children);
}

/** The same for pictures. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(made, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") made[name] = value;
    else if (name === "style") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...present(children));
  return made;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Puts these in the place of what an element holds. */
export function show(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** Says something to those who do not see it happen. */
export function announce(text) {
  document.getElementById("news").textContent = text;
}

/** What went wrong, in the service's own words. */
export function fault(problem, again) {
  return h("div.fault", { role: "alert" },
    h("strong", {}, problem.title || "That did not work"),
    h("p", {}, problem.message || String(problem)),
    again && h("button", { type: "button", onclick: again }, "Try again"));
}

export function loading(what) {
  return h("p.quiet.loading", { role: "status" }, `Loading ${what}…`);
}

/** A state before there is anything to see, with a way on. */
export function empty(title, text, ...more) {
  return h("div.empty", {}, h("h2", {}, title), h("p", {}, text), more);
}

/** Names and values, the pairs without a value left out. */
export function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl.facts", {}, told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function badge(state) {
  return h(`span.badge.is-${state}`, {}, state);
}

/** A bar of `share` (0 to 1) that says in words what it shows. */
export function meter(share, text, kind = "") {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share || 0)));
  return h(`div.meter${kind && "." + kind}`, { role: "img", "aria-label": text },
    h("span", { style: { width: `${percent}%` } }));
}
