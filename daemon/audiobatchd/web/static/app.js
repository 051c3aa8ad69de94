// The door of the page: which view is shown, and what is said of the connection.

import { Refused, session } from "./api.js";
import { el, heading, problem, show } from "./dom.js";
import { live } from "./live.js";
import * as dataset from "./dataset.js";
import * as failures from "./failures.js";
import * as folder from "./folder.js";
import * as folders from "./folders.js";
import * as now from "./now.js";

const VIEWS = { now, dataset, folders, folder, failures };
const CONNECTIONS = {
  connected: "Connected",
  lost: "Connection lost, trying again",
  ended: "The session has ended",
};
const main = document.getElementById("main");
let leaving = new AbortController();
let shown = "";
let who = null;

async function route() {
  const [, name, query] = location.hash.match(/^#\/(\w*)\??(.*)$/) ?? [null, "now", ""];
  const view = VIEWS[name] ?? now;
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const given = new URLSearchParams(query);
  const parameters = { ...Object.fromEntries(given), columns: given.getAll("columns") };
  const same = JSON.stringify([name, parameters.dataset ?? who.datasets[0], parameters.folder]);
  const opened = shown !== same;
  if (opened && shown) scrollTo(0, 0);
  for (const each of document.querySelectorAll("nav[aria-label=Views] a")) {
    const current = each.hash === `#/${name}` || (name === "folder" && each.hash === "#/folders");
    if (current) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  const context = { parameters, signal, who, draw: (...children) => signal.aborted || drawn(children) };
  let focused = !opened || !shown;
  const drawn = (children) => {
    show(main, ...children);
    document.title = `${main.querySelector("h1")?.textContent ?? "audiobatchd"} - audiobatchd`;
    if (!focused) main.querySelector("h1")?.focus({ preventScroll: true });
    focused = true;
  };
  if (opened) main.replaceChildren(el("p", { class: "quiet" }, "Asking the service"));
  shown = same;
  try {
    await view.open(context);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused && error.status === 401) ended();
    else context.draw(heading("This cannot be shown"), problem(error));
  }
}

function ended() {
  show(main, heading("Who are you?"),
    el("p", {}, "This browser has no session, or it has ended. In a terminal of the machine that the service runs on, ask for a link, and open it:"),
    el("pre", {}, "audiobatchctl web"),
    el("p", {}, "A link is good once, for ten minutes. Sessions end after twelve hours without use, and with the service."));
  said("ended");
}

function said(connection) {
  const line = document.getElementById("connection");
  line.textContent = CONNECTIONS[connection];
  line.className = connection;
}

async function start() {
  document.getElementById("skip").onclick = (event) => {
    event.preventDefault();
    main.focus();
  };
  try {
    who = await session();
  } catch (error) {
    if (error instanceof Refused) return ended();
    said("lost");
    show(main, heading("The service does not answer"), problem(new Error("It is asked again every few seconds.")));
    return setTimeout(start, 3000);
  }
  document.getElementById("about").textContent = `audiobatchd ${who.version}, ${who.operator ? "as an operator" : "to look only"}`;
  live.addEventListener("connection", async () => {
    said(live.connection);
    if (live.connection === "ended") ended();
    if (live.connection === "connected") who = Object.assign(who, await session().catch(() => ({})));
  });
  live.start();
  addEventListener("hashchange", route);
  await route();
}

start();
