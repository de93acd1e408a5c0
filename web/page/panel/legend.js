// @ts-check
/** What shapes and lines mean. */

import { html, svg } from "../dom.js";
import { GLYPHS, STATUS_WORDS } from "../status.js";

/** @import { Status } from "../types.js" */

/** @type {[string, string, number][]} class, meaning, width */
const LINES = [
  ["edge", "thicker: more bytes (logarithm)", 5],
  ["edge failing", "dashes: connects, requests or queries fail", 3],
  ["edge degraded lossy", "dots: segments sent again", 4],
  ["edge one-end", "fine dashes: seen from one end only", 2],
  ["edge gone", "sparse: gone since the other window", 2],
];

/** @returns {HTMLElement} */
export function legend() {
  const shapes = /** @type {Status[]} */ (["ok", "degraded", "failing", "new", "gone", "unknown"]).flatMap((status) => [
    svg("svg", { viewBox: "0 0 44 20", class: status, "aria-hidden": "true" }, svg("path", { class: "glyph", d: GLYPHS[status], transform: "translate(12 0)" })),
    html("span", {}, STATUS_WORDS[status]),
  ]);
  const lines = LINES.flatMap(([name, meaning, width]) => [
    svg("svg", { viewBox: "0 0 44 20", "aria-hidden": "true" }, svg("path", { class: name, d: "M1 10H43", "stroke-width": width })),
    html("span", {}, meaning),
  ]);
  return html("details", {}, html("summary", {}, "What shapes and lines mean"), html("div", { class: "legend" }, ...shapes, ...lines));
}
