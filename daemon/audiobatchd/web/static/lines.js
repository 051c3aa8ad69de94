// A line over time, drawn as SVG.

import { svg } from "./dom.js";
import { duration } from "./words.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 150, 56, 472, 10, 122];

/** Draws samples `[milliseconds, number]`; where a number is null the line is broken. `said` writes a number, `brief` one of the scale. */
export function line(name, samples, said, brief = said) {
  const numbers = samples.map(([, number]) => number).filter((number) => number !== null);
  if (numbers.length < 2) return null;
  const [first, last, most] = [samples[0][0], samples.at(-1)[0], Math.max(...numbers) || 1];
  const x = (at) => (LEFT + ((RIGHT - LEFT) * (at - first)) / Math.max(1, last - first)).toFixed(1);
  const y = (number) => (BOTTOM - ((BOTTOM - TOP) * number) / most).toFixed(1);
  let pen = "M";
  let path = "";
  for (const [at, number] of samples) {
    if (number !== null) path += `${pen}${x(at)} ${y(number)}`;
    pen = number === null ? "M" : "L";
  }
  const over = `over the last ${duration((last - first) / 1000)}`;
  const told = `${name} ${over}: now ${numbers.length && samples.at(-1)[1] !== null ? said(samples.at(-1)[1]) : "unknown"}, at most ${said(most)}`;
  const ticks = [0, most / 2, most].map((number) => [
    svg("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(number), y2: y(number) }),
    svg("text", { class: "label", x: LEFT - 5, y: Number(y(number)) + 4, "text-anchor": "end" }, brief(number)),
  ]);
  return svg("svg", { class: "picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told }, ticks,
    svg("path", { class: "line", d: path }),
    svg("text", { class: "label", x: LEFT, y: HEIGHT - 8 }, `${duration((last - first) / 1000)} ago`),
    svg("text", { class: "label", x: RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, "now"));
}
