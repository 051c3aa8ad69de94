// What the service is at, kept up to date: the stream of events, and the status whenever something may have changed.

import { Refused, ask, request } from "./api.js";
import { past, since } from "./past.js";

const [SOON, BUSY, IDLE, LONGEST] = [1500, 5000, 15000, 15000]; // milliseconds
const [EVENTS, SAMPLES] = [200, 720]; // as many are kept
const TO_DO = ["settling", "queued", "running", "backoff"];

/** Sends `status` with each status, `event` with each event, `connection` when it is lost or comes back. */
class Live extends EventTarget {
  status = null;
  events = [];
  past = []; // samples of the hours before the page was opened
  samples = [];
  connection = "connecting";
  #since = 0;
  #timer = 0;
  #asking = false;
  #again = false;
  #failures = 0;
  #stream = new AbortController();

  start() {
    // A browser has six connections to a service for all of its pages: one that is not seen gives its stream back.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#stream.abort() : this.#later(0)));
    addEventListener("pagehide", () => this.#stream.abort());
    this.#ask();
    this.#follow();
  }

  /** Asks for the status before long. */
  soon() {
    this.#again = this.#asking;
    this.#later(SOON);
  }

  #later(milliseconds) {
    const at = performance.now() + milliseconds;
    if (this.#asking || (this.#timer && this.due <= at)) return;
    clearTimeout(this.#timer);
    this.due = at;
    this.#timer = setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (document.hidden && this.status) return;
    this.#asking = true;
    this.#again = false;
    try {
      this.#take(await ask("status", {}, AbortSignal.timeout(10000)));
      this.#failures = 0;
      this.#say("connected");
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return this.#say("ended");
      this.#failures += 1;
      this.#say("lost");
    } finally {
      this.#asking = false;
    }
    const busy = this.status?.workers.some((worker) => worker.state === "busy");
    this.#later(this.#failures ? wait(this.#failures) : this.#again ? SOON : busy ? BUSY : IDLE);
  }

  #take(status) {
    if (!this.status) this.#remember(status, Date.now() / 1000);
    if (this.status && this.status.started !== status.started) {
      this.#since = 0; // the numbers of events begin again with the service
      this.#stream.abort();
    }
    this.status = status;
    this.samples.push({ at: Date.now(), rate: status.folders_per_hour, left: status.time_left });
    if (this.samples.length > SAMPLES) this.samples.shift();
    this.dispatchEvent(new CustomEvent("status"));
  }

  async #remember(status, now) {
    try {
      const { spans } = await ask("history", { since: since(now) }, AbortSignal.timeout(10000));
      this.past = past(spans, toDo(status), Date.parse(status.started) / 1000, now);
      this.dispatchEvent(new CustomEvent("status"));
    } catch {
      // the lines begin now
    }
  }

  #say(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.dispatchEvent(new CustomEvent("connection"));
  }

  async #follow() {
    for (let failures = 0; this.connection !== "ended"; failures += 1) {
      await seen();
      this.#stream = new AbortController();
      try {
        const response = await request("events", { since: this.#since }, this.#stream.signal);
        for await (const message of messages(response.body)) {
          failures = 0;
          this.#hear(message);
        }
      } catch {
        // the status tells whether the service is there
      }
      this.#later(0);
      await new Promise((done) => setTimeout(done, wait(failures)));
    }
  }

  #hear({ id, data }) {
    const event = { number: Number(id), ...JSON.parse(data) };
    this.#since = event.number;
    this.events.unshift(event);
    if (this.events.length > EVENTS) this.events.pop();
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
    this.soon();
  }
}

/** Counts the folders that are on their way to an end. */
export function toDo(status) {
  return status.datasets.flatMap((each) => TO_DO.map((state) => each.folders[state] ?? 0)).reduce((sum, each) => sum + each, 0);
}

/** Waits until the page is seen. */
function seen() {
  return new Promise((done) => {
    const look = () => document.hidden || done(document.removeEventListener("visibilitychange", look));
    document.addEventListener("visibilitychange", look);
    look();
  });
}

function wait(failures) {
  return Math.min(LONGEST, 1000 * 2 ** failures) * (0.8 + 0.4 * Math.random()); // pages do not come back all at once
}

/** Yields the messages of an event stream (WHATWG HTML, 9.2), as far as the service sends them. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const fields = part.split("\n").map((line) => line.match(/^(\w+): ?(.*)$/)).filter(Boolean);
      const message = Object.fromEntries(fields.map(([, name, value]) => [name, value]));
      if (message.data) yield message;
    }
  }
}

export const live = new Live();
