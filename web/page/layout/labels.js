// @ts-check
/** Places for the words at edges: on their line, on no node, on no other words. */

import { along } from "./routes.js";

/** @import { Box, Id, Point } from "../types.js" */

/**
 * @typedef {object} Wanted
 * @property {Id} id of the edge
 * @property {Point[]} points its line
 * @property {number} width of the words
 * @property {number} height
 * @property {boolean} needed say it even where it covers something
 * @property {"first" | "last"} end of the line that it shares with fewer others: words there are not taken for theirs
 */

/** Where on a line words may stand if there is no room at its ends. */
const SHARES = [0.5, 0.66, 0.34, 0.8, 0.2];
const MARGIN = 3;
/** Between a node and words beside it, and how far these may be moved up or down; farther where else they would cover something. */
const GAP = { first: 6, last: 13 };
const SHIFTS = [0, -12, 12];
const FAR_SHIFTS = [-26, 26];

/**
 * Middles of the words; those that are needed choose first, and cover other words sooner than a node; the rest only where nothing else stands.
 * @param {Wanted[]} wanted
 * @param {Box[]} taken such as nodes
 * @returns {Map<Id, Point>}
 */
export function places(wanted, taken) {
  /** @type {Map<Id, Point>} */
  const found = new Map();
  const boxes = [...taken];
  for (const label of [...wanted].sort((a, b) => Number(b.needed) - Number(a.needed) || (a.id < b.id ? -1 : 1))) {
    const middles = candidates(label);
    const free = middles.find((middle) => !boxes.some((box) => overlap(box, boxAt(middle, label))));
    const middle = free ?? (label.needed ? (middles.find((one) => !taken.some((box) => overlap(box, boxAt(one, label)))) ?? middles[0]) : undefined);
    if (!middle) continue;
    found.set(label.id, middle);
    boxes.push(boxAt(middle, label));
  }
  return found;
}

/** Beside the node at one end, beside that at the other, on the line. @param {Wanted} label @returns {Point[]} */
function candidates({ points, width, end }) {
  const last = points.length - 1;
  const ends = end === "first" ? /** @type {const} */ (["first", "last"]) : /** @type {const} */ (["last", "first"]);
  const beside = (/** @type {number[]} */ shifts) =>
    ends.flatMap((which) => {
      const [at, towards] = which === "first" ? [points[0], points[1]] : [points[last], points[last - 1]];
      const way = Math.sign(towards.x - at.x) || 1;
      return shifts.map((shift) => ({ x: at.x + way * (GAP[which] + width / 2), y: at.y + shift }));
    });
  const pieces = Array.from({ length: last }, (_, at) => last - at);
  return [...beside(SHIFTS), ...pieces.flatMap((at) => SHARES.map((share) => along(points, at, share))), ...beside(FAR_SHIFTS)];
}

/** @param {Point} middle @param {{ width: number, height: number }} size @returns {Box} */
function boxAt({ x, y }, { width, height }) {
  return { x: x - width / 2, y: y - height / 2, width, height };
}

/** @param {Box} a @param {Box} b */
export function overlap(a, b) {
  return (
    a.x < b.x + b.width + MARGIN && b.x < a.x + a.width + MARGIN && a.y < b.y + b.height + MARGIN && b.y < a.y + a.height + MARGIN
  );
}
