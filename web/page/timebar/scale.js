// @ts-check
/** Times and pixels of the time bar. */

/** @import { Seconds, View } from "../types.js" */

/** @typedef {{ from: Seconds, to: Seconds }} Range */

/** How much the bar can show. */
export const RANGES = [900, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400];
export const WINDOWS = [10, 60, 300, 900, 3600, 6 * 3600, 86400];
const TICK_PIXELS = 110;
const TICKS = [60, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400];
/** Room after the window, as a share of the bar. */
const AFTER = 0.1;

/**
 * What the bar shows: it stays while the window, and what that is compared with, are in it.
 * @param {View} view
 * @param {Seconds} now
 * @param {number} seconds how long
 * @param {Range | null} before
 * @returns {Range}
 */
export function range(view, now, seconds, before) {
  const end = view.at ?? now;
  if (view.at === null) return { from: end - seconds, to: end };
  const begin = Math.min(end - view.window_s, view.against === null ? Infinity : view.against - view.window_s);
  const length = Math.max(seconds, Math.ceil((end - begin) * 1.2));
  if (before && before.to - before.from === length && before.from <= begin && end <= before.to) return before;
  const to = Math.min(Math.max(now, end), Math.ceil(end + length * AFTER));
  return { from: to - length, to };
}

/** @param {Range} range @param {number} width @param {Seconds} time */
export function toPixel({ from, to }, width, time) {
  return ((time - from) / (to - from)) * width;
}

/** @param {Range} range @param {number} width @param {number} pixel @returns {Seconds} on a whole step */
export function toTime(range, width, pixel) {
  const step = snap(range);
  return Math.round((range.from + (pixel / width) * (range.to - range.from)) / step) * step;
}

/** Steps on which brushes stand: whole minutes have the same answer after every rollup. @param {Range} range */
export function snap({ from, to }) {
  return to - from <= 1800 ? 10 : 60;
}

/** @param {Range} range @param {number} width @returns {Seconds[]} */
export function ticks({ from, to }, width) {
  const most = Math.max(1, Math.floor(width / TICK_PIXELS));
  const step = TICKS.find((size) => (to - from) / size <= most) ?? 30 * 86400;
  const list = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) list.push(time);
  return list;
}

/** @typedef {{ end: Seconds, length: number }} Span a window */

/**
 * A window after a drag.
 * @param {Span} span
 * @param {"move" | "start" | "end"} grip
 * @param {number} by seconds
 * @param {number} step
 * @returns {Span} never shorter than a step
 */
export function dragged({ end, length }, grip, by, step) {
  const shift = Math.round(by / step) * step;
  if (grip === "move") return { end: end + shift, length };
  if (grip === "start") return { end, length: Math.max(step, length - shift) };
  return { end: Math.max(end - length + step, end + shift), length: Math.max(step, length + shift) };
}
