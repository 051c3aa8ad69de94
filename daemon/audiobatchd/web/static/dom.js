// Elements. What comes from the service is only ever set as text: names of files are hostile input.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "rect", "line", "path", "polyline", "polygon", "circle", "text", "tspan", "title", "desc"]);
const HANDLERS = ["onclick", "onsubmit", "onchange"];

/** Makes an element; attributes that are false or null are left out, functions become handlers. */
export function el(name, attributes = {}, ...children) {
  return made(document.createElement(name), attributes, children);
}

/** Makes an element of SVG. */
export function svg(name, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, name), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element[name] = value;
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** Gives a parent these children. What is alike stays in the page, and with it focus, typed text, and sound that plays. */
export function show(parent, ...children) {
  let here = parent.firstChild;
  for (const child of flat(children)) {
    const next = child instanceof Node ? child : document.createTextNode(child);
    if (here && alike(here, next)) {
      update(here, next);
      here = here.nextSibling;
    } else if (here) {
      const after = here.nextSibling;
      parent.replaceChild(next, here);
      here = after;
    } else parent.appendChild(next);
  }
  while (here) {
    const after = here.nextSibling;
    here.remove();
    here = after;
  }
}

function alike(old, next) {
  return old.nodeType === next.nodeType && old.nodeName === next.nodeName && key(old) === key(next);
}

function key(node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

function update(old, next) {
  if (!(old instanceof Element)) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const name of ["checked", "selected"]) if (name in old && old.hasAttribute(name) !== next.hasAttribute(name)) old[name] = next.hasAttribute(name);
  if (old instanceof HTMLInputElement && old.getAttribute("value") !== next.getAttribute("value")) old.value = next.value;
  for (const { name } of [...old.attributes]) if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const handler of HANDLERS) old[handler] = next[handler];
  if (!old.hasAttribute("data-kept")) show(old, [...next.childNodes]);
}

/** Makes elements of a picture that the service drew, with nothing in it but shapes and text. */
export function picture(text) {
  const named = text.replace(/^\s*(<\?xml[^>]*>\s*)?<svg(?![^>]*\sxmlns=)/, `<svg xmlns="${SVG}"`);
  const root = new DOMParser().parseFromString(named, "image/svg+xml").documentElement;
  if (root.namespaceURI !== SVG || root.nodeName !== "svg") throw new Error("cannot show the picture: it is no SVG");
  for (const element of [root, ...root.querySelectorAll("*")]) {
    if (element.namespaceURI !== SVG || !DRAWN.has(element.nodeName)) element.remove();
    for (const { name } of [...element.attributes]) if (/^on|^style$|href$/i.test(name)) element.removeAttribute(name);
  }
  return document.importNode(root, true);
}

/** Makes a link within the page. */
export function link(view, query, text, attributes = {}) {
  return el("a", { href: address(view, query), ...attributes }, text);
}

/** The address of a view; parameters without a value are left out. */
export function address(view, query = {}) {
  const given = parameters(query);
  return `#/${view}${given ? `?${given}` : ""}`;
}

/** Writes parameters, of a list one for each; what is empty is left out. */
export function parameters(query) {
  const given = Object.entries(query).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
  return new URLSearchParams(given.filter(([, value]) => value !== undefined && value !== null && value !== "")).toString();
}

/** Makes a table; a column is a name or `{ text, number, sort, href, narrow }`, a cell a text, a node, or a list of them. */
export function table(caption, columns, rows, attributes = {}) {
  const wanted = columns.map((column) => (typeof column === "string" ? { text: column } : column));
  const kind = (column) => [column.number && "number", column.narrow && "narrow-hidden"].filter(Boolean).join(" ") || null;
  const heads = wanted.map((column) =>
    el("th", { scope: "col", class: kind(column), "aria-sort": column.sort }, column.href ? el("a", { href: column.href }, column.text) : column.text),
  );
  const body = rows.map((row) => el("tr", {}, row.map((cell, at) => el("td", { class: kind(wanted[at]) }, cell))));
  return el("table", attributes, caption && el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body));
}

/** Makes a list of terms, each with what it is; those without anything are left out. */
export function facts(pairs, kind = "facts") {
  const there = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return el("dl", { class: kind }, there.map(([name, value]) => {
    const pair = [el("dt", {}, name), el("dd", {}, value)];
    return kind === "facts" ? pair : el("div", {}, pair);
  }));
}

/** Makes the heading of a view, which gets the focus when the view is opened. */
export function heading(text) {
  return el("h1", { tabindex: "-1" }, text);
}

/** Makes the sign of a state. */
export function badge(state) {
  return el("span", { class: `badge ${/^[a-z]+$/.test(state) ? state : ""}` }, state);
}

/** Makes a message about what went wrong. */
export function problem(error) {
  return el("p", { class: "bad", role: "alert" }, error.message);
}
