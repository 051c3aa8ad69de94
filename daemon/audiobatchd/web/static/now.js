// What the service is at, now.

import { change } from "./api.js";
import { badge, el, facts, heading, link, show, svg, table } from "./dom.js";
import { line } from "./lines.js";
import { live, toDo } from "./live.js";
import { tell } from "./told.js";
import { about, count, duration, many, moment, number, quoted, size } from "./words.js";

const STATES = ["complete", "running", "queued", "settling", "backoff", "locked", "failed", "blocked"];
const LOG = 12; // events that are shown

export async function open({ signal, who, draw }) {
  const redraw = () => draw(...view(live.status, who));
  const log = () => signal.aborted || logged(document.getElementById("log"));
  live.addEventListener("status", redraw, { signal });
  live.addEventListener("event", log, { signal });
  if (live.status) redraw();
  else draw(heading("Now"), el("p", {}, "Asking the service"));
  live.soon();
}

function view(status, who) {
  return [
    heading("Now"),
    status.remark && el("p", { class: "warn" }, status.remark),
    facts([
      ["service", status.state],
      ["to do", count(toDo(status))],
      ["done since the start", count(status.done)],
      ["folders an hour", count(status.folders_per_hour)],
      ["seconds of audio a second", number(status.audio_seconds_per_second)],
      ["time left", status.time_left === null ? "unknown" : duration(status.time_left)],
      ["runs for", duration(status.uptime)],
    ], "sums"),
    status.datasets.map((each) => dataset(each, who)),
    el("h2", {}, "Over time"),
    curves(),
    el("h2", {}, "Workers"),
    workers(status),
    status.inboxes?.length ? [el("h2", {}, "Inboxes"), inboxes(status.inboxes)] : null,
    el("h2", {}, "What happened last"),
    logged(el("ol", { class: "log", id: "log", "data-kept": true })),
    analyzers(status.analyzers),
  ];
}

function dataset(each, who) {
  const paused = each.state === "paused";
  return el("section", { class: "card", "aria-label": each.path, "data-key": each.path },
    el("h2", {}, link("dataset", { dataset: each.path }, each.path), " ", badge(each.state)),
    each.remark && el("p", { class: "warn" }, each.remark),
    bar(each),
    el("ul", { class: "states" }, STATES.filter((state) => each.folders[state]).map((state) =>
      el("li", { class: `key ${state}` }, inState(each, state), ` ${count(each.folders[state])}`))),
    facts([
      ["watch", each.watch],
      ["walk", each.walk],
      ["last full walk", moment(each.last_walk)],
      ["last pass", moment(each.last_pass)],
      ["locks", each.locks],
      ["leads to", each.target],
      ["unavailable here", each.unavailable ? many(each.unavailable, "feature") : ""],
    ]),
    noted("Warnings", each.warnings, each.more_warnings),
    noted("Locks held for too long", Object.entries(each.overdue).map(([lock, holder]) => `${lock}: ${holder}`)),
    who.operator && el("p", {}, el("button", { type: "button", onclick: () => pause(each.path, paused) }, paused ? "Resume" : "Pause", el("span", { class: "quiet" }, ` ${each.path}`))));
}

function inState(each, state) {
  if (["failed", "blocked"].includes(state)) return link("failures", { dataset: each.path }, state);
  return link("folders", { dataset: each.path, where: `state = ${quoted(state)}` }, state);
}

function bar(each) {
  let from = 0;
  const parts = STATES.map((state) => {
    const width = each.total ? (100 * (each.folders[state] ?? 0)) / each.total : 0;
    from += width;
    return svg("rect", { class: state, x: (from - width).toFixed(3), y: 0, width: width.toFixed(3), height: 10 });
  });
  const done = each.total ? (100 * (each.folders.complete ?? 0)) / each.total : 0;
  const told = `${count(each.folders.complete ?? 0)} of ${many(each.total, "folder")} complete, ${done.toFixed(done > 99 && done < 100 ? 2 : 0)} %`;
  return [
    el("p", {}, told),
    svg("svg", { class: "stack", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": told }, parts),
  ];
}

function noted(name, notes, more = 0) {
  if (!notes.length) return null;
  return el("details", {}, el("summary", {}, `${name}: ${count(notes.length + more)}`),
    el("ul", {}, notes.map((note) => el("li", {}, note)), more ? el("li", {}, `and ${count(more)} more`) : null));
}

function curves() {
  const samples = [...live.past, ...live.samples];
  const rate = line("Folders an hour", samples.map(({ at, rate }) => [at, rate]), count);
  const left = line("Time left", samples.map(({ at, left }) => [at, left]), duration, about);
  if (!rate) return el("p", { class: "quiet" }, "There is nothing to draw yet.");
  return el("div", { class: "pictures" },
    el("figure", {}, el("figcaption", {}, "Folders an hour"), rate),
    left && el("figure", {}, el("figcaption", {}, "Time left"), left));
}

function workers(status) {
  const columns = [{ text: "slot", number: true }, "state", "folder", "at", { text: "for", number: true }, { text: "memory", number: true, narrow: true }, { text: "jobs", number: true, narrow: true }];
  const rows = status.workers.map((each) => [
    each.slot, each.state,
    each.folder && link("folder", { dataset: each.dataset, folder: each.folder }, each.folder),
    each.doing, each.folder && duration(each.seconds), size(each.resident), count(each.jobs),
  ]);
  return [
    table(many(rows.length, "worker"), columns, rows),
    status.lost?.length ? el("p", { class: "warn" }, `${many(status.lost.length, "worker")} killed that do not end: a disk does not answer.`) : null,
  ];
}

function inboxes(all) {
  return table("", ["inbox", "state", { text: "waiting", number: true }, { text: "moved", number: true }, "remark"],
    all.map((each) => [each.path, each.state, count(each.waiting), count(each.moved), each.remark]));
}

function analyzers(all) {
  const rows = Object.entries(all).map(([name, each]) => [name, each.available ? "works" : "unavailable here", each.available ? each.remark : each.reason]);
  const off = rows.filter(([, state]) => state !== "works").length;
  return rows.length ? el("details", {}, el("summary", {}, `Analyzers: ${rows.length}${off ? `, ${off} unavailable here` : ""}`),
    table("", ["analyzer", "", "remark"], rows)) : null;
}

function logged(list) {
  if (!list) return null;
  show(list, live.events.slice(0, LOG).map((each) => {
    const { dataset, folder, ...fields } = each.fields;
    const named = each.event.startsWith("folder-") && dataset && folder;
    const rest = each.event === "folder-done" ? "" : Object.entries(fields).map(([name, value]) => `${name}: ${value}`).join(", ").slice(0, 300);
    return el("li", {}, el("time", { datetime: each.at }, moment(each.at)), each.event, " ",
      named ? link("folder", { dataset, folder }, folder) : [dataset, folder].filter(Boolean).join(" "), rest && ` ${rest}`);
  }));
  return list;
}

async function pause(path, paused) {
  try {
    const answer = await change(paused ? "resume" : "pause", { dataset: path });
    tell([paused ? `${path} goes on.` : `${path} is paused; jobs that run come to their end.`, ...(answer.remarks ?? [])].join(" "));
  } catch (error) {
    tell(error.message);
  }
  live.soon();
}
