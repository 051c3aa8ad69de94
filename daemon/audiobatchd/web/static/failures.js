// Folders that failed or are blocked, by cause.

import { ask } from "./api.js";
import { badge, el, heading, link, table } from "./dom.js";
import { live } from "./live.js";
import { retryButton } from "./retry.js";
import { count, many, moment } from "./words.js";

const [SHOWN, MOST_CAUSES] = [50, 100]; // folders of a cause, and causes
const LONGEST = 200; // characters of a cause

export async function open(context) {
  const { parameters, signal, who, draw } = context;
  const look = async () => {
    const all = await ask("failures", {}, signal);
    const here = parameters.dataset ? all.filter((each) => each.dataset === parameters.dataset) : all;
    draw(...view(here, parameters.dataset, who, again));
  };
  const again = () => {
    seen = ""; // a folder may fail as before between two statuses, which are then alike
    return look();
  };
  let seen = "";
  await look();
  seen = fingerprint();
  live.addEventListener("status", () => {
    if (seen === fingerprint()) return;
    seen = fingerprint();
    look().catch(() => {}); // the connection is told of elsewhere
  }, { signal });
}

function fingerprint() {
  return JSON.stringify([live.status?.troubles, live.status?.datasets.map((each) => [each.folders.failed, each.folders.blocked])]);
}

function view(all, dataset, who, look) {
  const causes = [...grouped(all)].sort(([, one], [, other]) => other.length - one.length);
  return [
    heading(dataset ? `Failures in ${dataset}` : "Failures"),
    dataset && el("p", {}, link("failures", {}, "Of all data sets")),
    el("p", {}, all.length ? `${many(all.length, "folder")} failed or blocked, for ${many(causes.length, "cause")}; a # stands for numbers.` : "No folder failed or is blocked."),
    who.operator && all.length > 1 && el("p", {}, retryButton("Try all of them again", all, look)),
    causes.slice(0, MOST_CAUSES).map(([cause, folders]) => section(cause, folders, who, look)),
    causes.length > MOST_CAUSES && el("p", {}, `and ${many(causes.length - MOST_CAUSES, "more cause", "more causes")}`),
  ];
}

function grouped(all) {
  const causes = new Map();
  for (const each of all) {
    const cause = (each.reason || "unknown").replace(/\d+(\.\d+)?/g, "#").slice(0, LONGEST);
    if (!causes.has(cause)) causes.set(cause, []);
    causes.get(cause).push(each);
  }
  return causes;
}

function section(cause, folders, who, look) {
  const columns = ["folder", "state", { text: "since", narrow: true }, { text: "reason", narrow: true }, ...(who.operator ? ["again"] : [])];
  const row = (each) => [
    link("folder", { dataset: each.dataset, folder: each.folder }, each.folder),
    badge(each.state), moment(each.at), each.reason,
    ...(who.operator ? [retryButton(["Retry", el("span", { class: "hidden" }, ` ${each.folder}`)], [each], look)] : []),
  ];
  return el("section", { class: "card", "aria-label": cause, "data-key": cause },
    el("h2", {}, cause),
    el("p", {}, many(folders.length, "folder"), " ", who.operator && folders.length > 1 && retryButton(`Try these ${count(folders.length)} again`, folders, look)),
    table(folders.length > SHOWN ? `The latest ${SHOWN}` : "", columns, folders.slice(0, SHOWN).map(row)));
}
