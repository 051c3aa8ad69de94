// Questions to the service, and changes.

import { parameters } from "./dom.js";

let csrf = "";

/** Tells that the service refused, in its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Asks who this session belongs to, and what there is to look at. */
export async function session() {
  const found = await ask("session");
  csrf = found.csrf;
  return found;
}

/** The address of something that is asked for; relative, so that it holds below any base path. */
export function place(path, query = {}) {
  const given = parameters(query);
  return `api/${path}${given ? `?${given}` : ""}`;
}

/** Asks, and gives the response where it is a good one. */
export async function request(path, query = {}, signal = undefined) {
  return checked(await fetch(place(path, query), { signal, credentials: "same-origin" }));
}

/** Asks for JSON. */
export async function ask(path, query = {}, signal = undefined) {
  return (await request(path, query, signal)).json();
}

/** Asks for a change. */
export async function change(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const response = await fetch(place(path), { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
  return (await checked(response)).json();
}

async function checked(response) {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Refused(response.status, told.error || `the service answers ${response.status} ${response.statusText}`);
}
