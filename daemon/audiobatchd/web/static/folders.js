// The folders of a data set: searched, filtered, sorted, a hundred at a time.

import { Refused, ask } from "./api.js";
import { choices, chosen } from "./choices.js";
import { address, badge, el, heading, link, problem, table } from "./dom.js";
import { tell } from "./told.js";
import { count, many, value } from "./words.js";

const PAGE = 100;
const USUAL = ["folder", "state", "bpm", "key", "lufs", "lra", "true_peak"];

export async function open(context) {
  const { parameters, signal, draw } = context;
  const dataset = chosen(context);
  const { search = "", where = "", sort = "" } = parameters;
  const offset = Math.max(0, Number.parseInt(parameters.offset ?? "0", 10) || 0);
  const there = await ask("columns", { dataset }, signal);
  const names = new Set(there.map((each) => each.name));
  const wanted = (parameters.columns.length ? parameters.columns : USUAL).filter((name) => names.has(name));
  const columns = ["folder", ...wanted.filter((name) => name !== "folder")];
  const asked = { dataset, search, where, sort, columns: parameters.columns };
  const head = [heading(`Folders of ${dataset}`), choices("folders", context)];
  let found = null;
  let refused = null;
  try {
    found = await ask("rows", { dataset, columns, where, search, sort, limit: PAGE, offset }, signal);
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    refused = error;
  }
  draw(...head, form(asked, there, columns, refused), refused ? null : rows(asked, found, columns, there, offset));
  if (found) tell(said(found, offset), "hidden");
}

function form(asked, there, columns, refused) {
  const sent = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const ticked = given.getAll("column");
    const usual = USUAL.filter((name) => there.some((each) => each.name === name && name !== "folder"));
    location.hash = address("folders", { ...asked, search: given.get("search").trim(), where: given.get("where").trim(), columns: ticked.join() === there.map((each) => each.name).filter((name) => usual.includes(name)).join() ? [] : ticked });
  };
  return el("form", { onsubmit: sent, role: "search", "aria-label": "Folders" },
    el("label", {}, "Name contains", el("input", { name: "search", type: "search", value: asked.search, autocomplete: "off" })),
    el("label", { class: "wide" }, "Only those for which", el("input", {
      name: "where", value: asked.where, placeholder: "bpm > 120 and lufs < -9", autocomplete: "off", spellcheck: "false",
      "aria-invalid": refused && "true", "aria-describedby": refused && "refused",
    })),
    el("button", {}, "Show"),
    el("details", {}, el("summary", {}, "Columns"), el("fieldset", {}, el("legend", {}, "Columns of the table"),
      el("div", { class: "checks" }, there.filter((each) => each.name !== "folder").map((each) =>
        el("label", { title: each.description || null }, el("input", { type: "checkbox", name: "column", value: each.name, checked: columns.includes(each.name) }), each.name))))),
    refused && el("div", { id: "refused" }, problem(refused)));
}

function rows(asked, found, columns, there, offset) {
  const kinds = new Map(there.map((each) => [each.name, each]));
  const heads = columns.map((name) => {
    const down = asked.sort === name;
    const sorted = down ? "ascending" : asked.sort === `-${name}` ? "descending" : null;
    const about = kinds.get(name);
    return { text: name, number: about?.kind === "number", sort: sorted, href: address("folders", { ...asked, sort: down ? `-${name}` : name }) };
  });
  const cells = found.rows.map((row) => row.map((cell, at) => {
    if (columns[at] === "folder") return link("folder", { dataset: asked.dataset, folder: String(cell) }, String(cell));
    return columns[at] === "state" ? badge(String(cell)) : value(cell);
  }));
  const caption = said(found, offset);
  if (!found.rows.length) return [el("p", {}, caption), offset > 0 && pages(asked, found, offset)];
  return [
    el("div", { class: "scroll", role: "region", "aria-label": "Table of folders", tabindex: "0" }, table(caption, heads, cells)),
    pages(asked, found, offset),
  ];
}

function said(found, offset) {
  if (!found.total) return "No folder meets this.";
  if (!found.rows.length) return `There are ${many(found.total, "folder")} only.`;
  return `${count(offset + 1)} to ${count(offset + found.rows.length)} of ${many(found.total, "folder")}`;
}

function pages(asked, found, offset) {
  const page = (at, text) => link("folders", { ...asked, offset: at ? String(at) : "" }, text);
  const last = Math.floor(Math.max(0, found.total - 1) / PAGE) * PAGE;
  if (!offset && !last) return null;
  return el("nav", { class: "pages", "aria-label": "Pages" },
    offset > 0 && page(0, "First"),
    offset > 0 && page(Math.min(last, Math.max(0, offset - PAGE)), "Previous"),
    el("span", {}, `page ${count(offset / PAGE + 1)} of ${count(last / PAGE + 1)}`),
    offset < last && page(offset + PAGE, "Next"),
    offset < last && page(last, "Last"));
}
