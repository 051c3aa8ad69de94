// One track folder: where it stands, what was measured, how it looks and sounds.

import { Refused, ask, place, request } from "./api.js";
import { badge, el, facts, heading, link, picture, show, table } from "./dom.js";
import { live } from "./live.js";
import { retryButton } from "./retry.js";
import { duration, many, moment, value } from "./words.js";

const KINDS = { waveform: "Waveform, with beats and onsets", spectrogram: "Spectrogram", loudness: "Loudness over time" };
const [PENDING, PATIENCE] = [1000, 300]; // milliseconds between two questions for what is being made, and their number
const NAMES = { full_mix: "Mix" };

export async function open(context) {
  const { parameters, signal, draw } = context;
  const { dataset = "", folder = "" } = parameters;
  const asked = { dataset, folder };
  let [report, record] = await both(asked, signal);
  const redraw = () => draw(...view(context, asked, report, record));
  redraw();
  pictures(context, asked, record);
  live.addEventListener("event", async ({ detail }) => {
    if (detail.fields.folder !== folder || detail.fields.dataset !== dataset) return;
    try {
      [report, record] = await both(asked, signal);
      redraw();
    } catch {
      // it stays as it was; the connection is told of elsewhere
    }
  }, { signal });
}

async function both(asked, signal) {
  const nothing = { values: {}, files: {}, problem: "" };
  const recorded = ask("record", asked, signal).catch((error) => {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    return { ...nothing, problem: error.message };
  });
  return Promise.all([ask("folder", asked, signal), recorded]);
}

function view({ parameters, who }, asked, report, record) {
  return [
    heading(asked.folder),
    el("p", {}, badge(report.state), " in ", link("folders", { dataset: asked.dataset }, asked.dataset)),
    el("div", { class: "columns" },
      el("section", { "aria-label": "State" }, el("h2", {}, report.state === "complete" ? "State" : "Why it is not done"), state(asked, report, who)),
      el("section", { "aria-label": "Sound" }, el("h2", {}, "Sound"), sounds(asked, record))),
    el("section", { "aria-label": "Pictures" }, el("h2", {}, "Pictures"), roles(asked, record, parameters), el("div", { id: "media", "data-kept": true })),
    el("section", { "aria-label": "Record" }, el("h2", {}, "Record"), values(record)),
    attempts(report.attempts),
  ];
}

function state(asked, report, who) {
  return [
    report.reason && el("p", { class: report.state === "complete" ? null : "bad" }, report.reason),
    facts([
      ["since", moment(report.since)],
      ["next", report.next],
      ["next in", report.next_in === null ? "" : duration(report.next_in)],
      ["at work", report.worker === null ? "" : `worker ${report.worker}: ${report.doing}`],
      ["locked by", report.holder],
      ["to be measured", report.due.join("; ")],
      ["unavailable here", report.unavailable ? many(report.unavailable, "feature") : ""],
      ["crashes charged", report.charges ? `${report.charges} of ${report.max_deaths}` : ""],
      ["suspicions", report.suspicions || ""],
    ]),
    report.warnings.map((warning) => el("p", { class: "warn" }, warning)),
    Object.keys(report.unmeasurable).length > 0 && el("details", {}, el("summary", {}, `Without a value: ${many(Object.keys(report.unmeasurable).length, "feature")}`),
      facts(Object.entries(report.unmeasurable))),
    who.operator && ["failed", "blocked", "backoff"].includes(report.state) && el("p", {}, retryButton("Try it again", [asked])),
  ];
}

function sounds(asked, record) {
  const files = Object.entries(record.files);
  if (!files.length) return el("p", { class: "quiet" }, record.problem || "There is no source file.");
  return files.map(([role, name]) => el("figure", { "data-key": role },
    el("figcaption", {}, titled(role), " ", el("span", { class: "quiet" }, name)),
    el("audio", { controls: true, preload: "none", src: place("audio", { ...asked, role }), "aria-label": `${titled(role)}: ${name}` })));
}

function titled(role) {
  return NAMES[role] ?? role.charAt(0).toUpperCase() + role.slice(1);
}

function shown(record, parameters) {
  const there = Object.keys(record.files);
  return there.includes(parameters.role) ? parameters.role : there.includes("full_mix") ? "full_mix" : there[0];
}

function roles(asked, record, parameters) {
  const there = Object.keys(record.files);
  const here = shown(record, parameters);
  if (there.length < 2) return null;
  return el("nav", { "aria-label": "Pictures of" }, el("ul", { class: "roles" }, there.map((role) =>
    el("li", {}, link("folder", { ...asked, role }, titled(role), { "aria-current": role === here && "true" })))));
}

function pictures({ parameters, signal }, asked, record) {
  const role = shown(record, parameters);
  const media = document.getElementById("media");
  if (!media) return;
  if (!role) return show(media, el("p", { class: "quiet" }, "There is nothing to draw."));
  const figures = Object.entries(KINDS).map(([kind, title]) => el("figure", { "data-key": `${role} ${kind}` }, el("figcaption", {}, title), el("p", { class: "quiet" }, "Being made")));
  media.replaceChildren(...figures);
  Object.entries(KINDS).forEach(async ([kind, title], at) => {
    let drawn;
    try {
      drawn = await drawing({ ...asked, role, kind }, `${title} of ${titled(role)}`, signal);
    } catch (error) {
      drawn = el("p", { class: "bad" }, error.message);
    }
    if (!signal.aborted) show(figures[at], el("figcaption", {}, title), drawn);
  });
}

async function drawing(query, title, signal) {
  for (let asked = 0; asked < PATIENCE; asked += 1) {
    const response = await request("media", query, signal);
    if (response.status === 202) {
      await response.json();
      await new Promise((done) => setTimeout(done, PENDING));
      if (signal.aborted) throw new Error("left");
    } else if (response.headers.get("Content-Type")?.startsWith("image/svg+xml")) {
      const drawn = picture(await response.text());
      drawn.classList.add("media");
      return drawn;
    } else {
      await response.arrayBuffer();
      return el("img", { class: "media", src: place("media", query), alt: title });
    }
  }
  throw new Error("It takes too long to make this picture.");
}

function values(record) {
  const names = Object.keys(record.values).filter((name) => !name.startsWith("_")).sort();
  if (!names.length) return el("p", { class: "quiet" }, record.problem || "Nothing was measured yet.");
  return el("div", { class: "columns" }, halves(names).map((part, at) =>
    table(at ? "The others" : many(names.length, "value"), ["feature", { text: "value" }], part.map((name) => [name, value(record.values[name])]))));
}

function halves(names) {
  if (names.length < 8) return [names];
  const middle = Math.ceil(names.length / 2);
  return [names.slice(0, middle), names.slice(middle)];
}

function attempts(all) {
  if (!all.length) return null;
  return el("section", { "aria-label": "Attempts" }, el("h2", {}, "Attempts"),
    table("Jobs that came to no good end, the latest first", ["when", "end", "why", { text: "took", number: true }, { text: "at", narrow: true }], all.map((each) => [
      moment(each.at ?? ""), each.outcome + (each.charged ? ", charged" : ""),
      [each.reason, each.lines?.length ? el("details", {}, el("summary", {}, "Its last lines"), el("pre", {}, each.lines.join("\n"))) : null],
      duration(each.seconds ?? 0), each.stage ?? "",
    ])));
}
