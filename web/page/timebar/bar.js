// @ts-check
/** Draws the time bar: traffic as an area, failures as strokes, what is not known hatched, marks. */

import { svg } from "../dom.js";
import { clock, day } from "../words.js";
import { ticks, toPixel } from "./scale.js";

/** @import { Moment, Series } from "../types.js" */
/** @import { Range } from "./scale.js" */

const TOP = 30;
const BOTTOM = 18;
/** Pixels that a mark's words take per character. */
const CHARACTER = 6.2;
/** Moments that are worth a mark; instances come and go all the time. */
const MARKED = new Set(["version", "version_gone", "agent", "agent_gone", "gap", "edge_new", "edge_vanished", "edge_returned", "edge_more", "edge_less"]);
/** @type {Record<string, string>} */
const SIGNS = { gap: "?", edge_new: "+", edge_vanished: "✕", edge_returned: "+", edge_more: "▲", edge_less: "▽" };

/**
 * @param {{ series: Series | null, moments: Moment[], range: Range, width: number, height: number }} shown
 * @returns {SVGElement[]}
 */
export function bar({ series, moments, range, width, height }) {
  const floor = height - BOTTOM;
  const x = (/** @type {number} */ time) => Math.round(toPixel(range, width, time) * 10) / 10;
  /** @type {SVGElement[]} */
  const parts = axis(range, width, floor, x);
  if (series) {
    const { bytes = [], failed = [] } = series.columns;
    parts.push(...gaps(series, bytes, floor, x));
    parts.push(svg("path", { class: "traffic", d: area(series, bytes, floor, x) }));
    parts.push(svg("path", { class: "failed", d: strokes(series, failed, floor, x), "stroke-width": Math.min(3, Math.max(1, 0.6 * (x(series.step_s) - x(0)))).toFixed(1) }, svg("title", {}, "failed connects")));
  }
  return [...parts, ...marks(moments, range, floor, x, width)];
}

/** @param {Range} range @param {number} width @param {number} floor @param {(time: number) => number} x */
function axis(range, width, floor, x) {
  const long = range.to - range.from > 86400;
  const words = ticks(range, width).flatMap((time) => [
    svg("path", { class: "axis", d: `M${x(time)} ${floor}v4` }),
    svg("text", { x: x(time), y: floor + 15, "text-anchor": x(time) < 20 ? "start" : x(time) > width - 20 ? "end" : "middle" }, long ? day(time).slice(4) : clock(time).slice(0, 5)),
  ]);
  return [svg("path", { class: "axis", d: `M0 ${floor}H${width}` }), ...words];
}

/** @param {Series} series @param {(number | null)[]} values @param {number} floor @param {(time: number) => number} x */
function area({ begins_s, step_s }, values, floor, x) {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  let text = "";
  let open = false;
  values.forEach((value, at) => {
    const left = x(begins_s[at]);
    if (value === null) {
      if (open) text += `V${floor}`;
      open = false;
      return;
    }
    const y = Math.round((floor - (floor - TOP) * (value / most)) * 10) / 10;
    text += `${open ? "" : `M${left} ${floor}`}V${y}H${x(begins_s[at] + step_s)}`;
    open = true;
  });
  return open ? `${text}V${floor}` : text;
}

/** Few failures are seen, too: the square root of their share. @param {Series} series @param {(number | null)[]} values @param {number} floor @param {(time: number) => number} x */
function strokes({ begins_s, step_s }, values, floor, x) {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  return values
    .map((value, at) => (value ? `M${x(begins_s[at] + step_s / 2)} ${floor}v${-Math.round(4 + (floor - TOP - 10) * Math.sqrt(value / most))}` : ""))
    .join("");
}

/** @param {Series} series @param {(number | null)[]} values @param {number} floor @param {(time: number) => number} x */
function gaps({ begins_s, step_s }, values, floor, x) {
  /** @type {SVGElement[]} */
  const parts = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null) continue;
    const first = at;
    while (at + 1 < values.length && values[at + 1] === null) at += 1;
    const left = x(begins_s[first]);
    parts.push(svg("rect", { class: "gap", x: left, y: TOP, width: Math.max(1, x(begins_s[at] + step_s) - left), height: floor - TOP }, svg("title", {}, "not known")));
  }
  return parts;
}

/** What a mark says, without what its sign and place say. @param {string} text */
export function brief(text) {
  return text
    .replace(/^version (\S+) of (?:\S*\/)?(\S+) was (?:first|last) seen$/, "$2 $1")
    .replace(/ (?:began to report|was last heard of)$/, "")
    .replace(/^(\S+): /, "$1 ");
}

/** Words only where they do not cover those before. @param {Moment[]} moments @param {Range} range @param {number} floor @param {(time: number) => number} x @param {number} width */
function marks(moments, range, floor, x, width) {
  let free = 0;
  return moments
    .filter(({ what, at }) => MARKED.has(what) && at >= range.from && at <= range.to)
    .flatMap(({ at, text, what }) => {
      const left = x(at);
      const words = `${SIGNS[what] ?? (what.endsWith("_gone") ? "▽" : "▲")} ${brief(text)}`;
      const room = words.length * CHARACTER;
      const about = `${clock(at)} ${text}: compare before and after`;
      const line = svg(
        "g",
        { class: "moment", role: "button", tabindex: 0, "data-at": at, "aria-label": about },
        svg("title", {}, about),
        svg("path", { class: "mark-hit", d: `M${left} ${TOP - 18}V${floor}` }),
        svg("path", { class: "mark", d: `M${left} ${TOP - 2}V${floor}` }),
      );
      const begin = Math.min(left + 3, width - room);
      if (begin < free) return [line];
      free = begin + room + 8;
      line.append(svg("text", { class: "mark-text", x: begin, y: 25 }, words));
      return [line];
    });
}
