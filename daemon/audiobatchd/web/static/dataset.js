// A data set in pictures.

import { ask } from "./api.js";
import { choices, chosen } from "./choices.js";
import { address, el, heading, link, picture, problem, show, svg, table } from "./dom.js";
import { live } from "./live.js";
import { column, count, many, number, quoted } from "./words.js";

const DRAWN = ["lufs", "lra", "true_peak", "bpm", "danceability", "key", "duration", "brightness"];
const SCATTERS = [["lufs", "lra"], ["bpm", "bpm_confidence"]];
const BINS = 40;
const AGAIN = 20000; // milliseconds after which pictures of a data set at work are asked for again

export async function open(context) {
  const { parameters, signal, draw } = context;
  const dataset = chosen(context);
  const { where = "", feature = "" } = parameters;
  const columns = new Map((await ask("columns", { dataset }, signal)).map((each) => [each.name, each]));
  const features = [...columns.values()].filter((each) => !["folder", "state", "why"].includes(each.name));
  const wanted = feature ? [feature] : DRAWN.filter((name) => columns.has(name));
  const figures = el("div", { class: "pictures", id: "pictures", "data-kept": true });
  draw(
    heading(feature ? `${feature} of ${dataset}` : dataset),
    choices("dataset", context),
    form(dataset, where, feature, features),
    feature && el("p", {}, link("dataset", { dataset, where }, "All pictures")),
    features.length === 0 && el("p", {}, "No folder has a value yet."),
    figures,
  );
  const places = wanted.map((name) => el("figure", { "data-key": name }, el("figcaption", {}, name)));
  const pairs = feature ? [] : SCATTERS.filter((pair) => pair.every((name) => columns.has(name)));
  const pairPlaces = pairs.map((pair) => el("figure", { "data-key": pair.join() }, el("figcaption", {}, `${pair[1]} against ${pair[0]}`)));
  const kept = document.getElementById("pictures");
  if (!kept || signal.aborted) return;
  show(kept, places, pairPlaces);
  const here = [...kept.children]; // those of before stay where they are alike
  const fill = () => Promise.all([
    ...wanted.map((name, at) => filled(here[at], () => one(dataset, columns.get(name) ?? { name, kind: "number" }, where, signal), signal)),
    ...pairs.map((pair, at) => filled(here[wanted.length + at], () => two(dataset, pair, where, signal), signal)),
  ]);
  await fill();
  let due = 0;
  const later = ({ detail }) => {
    if (detail.event !== "folder-done" || due) return;
    due = setTimeout(async () => {
      if (!document.hidden) await fill();
      due = 0;
    }, AGAIN);
  };
  live.addEventListener("event", later, { signal });
  signal.addEventListener("abort", () => clearTimeout(due));
}

function form(dataset, where, feature, features) {
  const sent = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    location.hash = address("dataset", { dataset, where: given.get("where").trim(), feature: given.get("feature") });
  };
  return el("form", { onsubmit: sent },
    el("label", { class: "wide" }, "Only folders for which", el("input", { name: "where", value: where, placeholder: "bpm > 120 and lufs < -9", autocomplete: "off", spellcheck: "false" })),
    el("label", {}, "Feature", el("select", { name: "feature" }, el("option", { value: "" }, "those of the report"),
      features.map((each) => el("option", { value: each.name, selected: each.name === feature }, each.name)))),
    el("button", {}, "Show"));
}

async function filled(figure, made, signal) {
  try {
    const children = await made();
    if (!signal.aborted) show(figure, ...children);
  } catch (error) {
    if (!signal.aborted) show(figure, figure.querySelector("figcaption")?.cloneNode(true), problem(error));
  }
}

async function one(dataset, about, where, signal) {
  const caption = el("figcaption", {}, link("dataset", { dataset, where, feature: about.name }, about.name), about.description ? `: ${about.description}` : "", about.unit ? `, ${about.unit}` : "");
  if (about.kind !== "number") return [caption, ...(await labels(dataset, about, where, signal))];
  const found = await ask("histogram", { dataset, feature: about.name, bins: BINS, where }, signal);
  if (!found.svg) return [caption, el("p", { class: "quiet" }, "No folder has a value.")];
  const last = found.edges.at(-1);
  const folders = (low, high) => address("folders", { dataset, sort: about.name, where: both(where, within(about.name, low, high, last)), columns: ["state", about.name] });
  const drawn = picture(found.svg);
  drawn.onclick = ({ target }) => {
    const bar = target.closest("[data-low]");
    if (bar) location.hash = folders(Number(bar.dataset.low), Number(bar.dataset.high));
  };
  const bins = found.counts.map((each, at) => [each, found.edges[at], found.edges[at + 1]]).filter(([each]) => each);
  const sum = found.counts.reduce((all, each) => all + each, 0);
  return [
    caption, drawn,
    el("p", { class: "quiet" }, `${many(sum, "value")}, ${count(found.missing)} missing`),
    el("details", {}, el("summary", {}, `The bins of ${about.name}`),
      table("Folders by bin; a number leads to them", [{ text: "from", number: true }, { text: "below", number: true }, { text: "folders", number: true }],
        bins.map(([each, low, high]) => [number(low), number(high), el("a", { href: folders(low, high) }, count(each))]))),
  ];
}

async function labels(dataset, about, where, signal) {
  const [found] = await ask("summary", { dataset, features: about.name, where }, signal);
  const most = Math.max(1, ...found.frequent.map((each) => each.count));
  const led = ({ label, count: each }) => {
    if (about.kind === "mapping") return count(each);
    const value = about.kind === "flag" ? (label === "true" ? "1" : "0") : quoted(label);
    return link("folders", { dataset, where: both(where, `${column(about.name)} = ${value}`), columns: ["state", about.name] }, count(each));
  };
  const bar = (each) => svg("svg", { class: "share", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "bar", width: ((100 * each.count) / most).toFixed(2), height: 10 }));
  return [
    table(`${many(found.distinct, "label")}, ${count(found.missing)} missing`, [about.name, { text: "folders", number: true }, "share"],
      found.frequent.map((each) => [each.label, led(each), bar(each)])),
  ];
}

async function two(dataset, [x, y], where, signal) {
  const found = await ask("scatter", { dataset, x, y, where }, signal);
  const caption = el("figcaption", {}, `${y} against ${x}`);
  if (!found.svg) return [caption, el("p", { class: "quiet" }, "No folder has both values.")];
  return [caption, picture(found.svg), el("p", { class: "quiet" }, `${many(found.missing, "folder")} without both`)];
}

function within(name, low, high, last) {
  return `${column(name)} >= ${low} and ${column(name)} ${high >= last ? "<=" : "<"} ${high}`;
}

function both(one, other) {
  return one ? `(${one}) and ${other}` : other;
}
