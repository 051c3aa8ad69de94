// Which data set a view is about.

import { el, link } from "./dom.js";

/** The data set that is asked for, or the first one. */
export function chosen({ parameters, who }) {
  return parameters.dataset ?? who.datasets[0] ?? "";
}

/** Links to the other data sets of a view; nothing where there is one only. */
export function choices(view, { parameters, who }) {
  if (who.datasets.length < 2) return null;
  const here = chosen({ parameters, who });
  return el("nav", { "aria-label": "Data sets" }, el("ul", {}, who.datasets.map((each) =>
    el("li", {}, link(view, { dataset: each }, each, { "aria-current": each === here && "page" })))));
}
