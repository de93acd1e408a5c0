// @ts-check
/** Which part of the map is seen: never so small that it cannot be read. */

/** @import { Box, Point } from "../types.js" */

export const SMALLEST = 0.72;
export const LARGEST = 2;
/** A map with few nodes is not blown up. */
const FIT_LARGEST = 1;
const MARGIN = 12;

/** @typedef {{ scale: number, x: number, y: number }} Camera where the map's origin is on the screen */

/**
 * The whole map if it can be read so; else the part around a point of interest.
 * @param {Box} content
 * @param {{ width: number, height: number }} screen
 * @param {Point | null} interest
 * @returns {Camera}
 */
export function fit(content, screen, interest) {
  const wide = (screen.width - 2 * MARGIN) / Math.max(1, content.width);
  const high = (screen.height - 2 * MARGIN) / Math.max(1, content.height);
  const scale = clamp(Math.min(wide, high), SMALLEST, FIT_LARGEST);
  const middle = { x: content.x + content.width / 2, y: content.y + content.height / 2 };
  const at = interest ?? middle;
  return {
    scale,
    x: wide >= scale ? screen.width / 2 - middle.x * scale : inside(at.x, content.x, content.width, screen.width, scale),
    y: high >= scale ? screen.height / 2 - middle.y * scale : inside(at.y, content.y, content.height, screen.height, scale),
  };
}

/**
 * Centres a point, but shows no more emptiness than the margin.
 * @param {number} at
 * @param {number} start
 * @param {number} length
 * @param {number} screen
 * @param {number} scale
 */
function inside(at, start, length, screen, scale) {
  return clamp(screen / 2 - at * scale, screen - MARGIN - (start + length) * scale, MARGIN - start * scale);
}

/** @param {Camera} camera @param {number} by @param {Point} around on the screen @returns {Camera} */
export function zoomed(camera, by, around) {
  const scale = clamp(camera.scale * by, SMALLEST, LARGEST);
  const ratio = scale / camera.scale;
  return { scale, x: around.x - (around.x - camera.x) * ratio, y: around.y - (around.y - camera.y) * ratio };
}

/** Moves no more than needed to see a box. @param {Camera} camera @param {Box} box @param {{ width: number, height: number }} screen @returns {Camera} */
export function revealing(camera, box, screen) {
  const moved = (/** @type {number} */ offset, /** @type {number} */ start, /** @type {number} */ length, /** @type {number} */ size) => {
    const low = start * camera.scale + offset - MARGIN;
    const high = (start + length) * camera.scale + offset + MARGIN;
    return low < 0 ? offset - low : high > size ? offset - (high - size) : offset;
  };
  return { ...camera, x: moved(camera.x, box.x, box.width, screen.width), y: moved(camera.y, box.y, box.height, screen.height) };
}

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
