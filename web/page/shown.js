// @ts-check
/** The map that is shown: the answer, its stacks, places and picture; and how one goes through it. */

import { layered } from "./layout/layered.js";
import { stacked } from "./layout/stacks.js";
import { NODE } from "./layout/routes.js";
import { picture } from "./draw/picture.js";
import { compareStatus, edgeStatus, nodeStatus } from "./status.js";

/** @import { Picture } from "./draw/picture.js" */
/** @import { Answer, Box, Id, Layout, MapData, MapEdge, MapNode, Point } from "./types.js" */

/**
 * @typedef {object} Shown
 * @property {Answer<MapData>} answer
 * @property {MapData} map with stacks
 * @property {Layout} layout
 * @property {Picture} picture
 */

/**
 * @param {Answer<MapData>} answer
 * @param {Shown | null} before whose places are kept; null: a fresh layout
 * @param {ReadonlySet<Id>} opened stacks
 * @returns {Shown}
 */
export function show(answer, before, opened) {
  const map = stacked(answer.data, opened);
  const ids = [...map.nodes].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)).map(({ id }) => id);
  const layout = layered(ids, map.edges, before?.layout.position);
  return { answer, map, layout, picture: picture(map, layout, answer.window.to - answer.window.from) };
}

/** Neighbours in a namespace begin side by side. @param {MapNode} node */
function sortKey(node) {
  return `${node.stack ? 1 : 0} ${node.namespace} ${node.name} ${node.id}`;
}

/** What a link says of an edge: names, not numbers, so that it can be read: `shop/cart>shop/db:5432`. @param {MapData} map @param {MapEdge} edge */
export function edgeKey(map, edge) {
  const key = (/** @type {Id} */ id) => map.nodes.find((node) => node.id === id)?.key ?? id;
  return `${key(edge.from)}>${key(edge.to)}:${edge.port}${edge.transport === "tcp" ? "" : `/${edge.transport}`}`;
}

/** What a link's `focus` names, by key or by id. @param {Shown | null} shown @param {string | null} focus @returns {{ node: MapNode } | { edge: MapEdge } | null} */
export function subjectOf(shown, focus) {
  if (!shown || !focus) return null;
  for (const map of [shown.map, shown.answer.data]) {
    const node = map.nodes.find(({ key, id }) => key === focus || id === focus);
    if (node) return { node };
    const edge = map.edges.find((one) => one.id === focus || edgeKey(map, one) === focus);
    if (edge) return { edge };
  }
  return null;
}

/** Whatever has this id, in a stack or not. @param {Shown | null} shown @param {Id} id @returns {MapNode | undefined} */
export function nodeOf(shown, id) {
  return [shown?.map, shown?.answer.data].flatMap((map) => map?.nodes ?? []).find((node) => node.id === id);
}

/** What a link says of a node or an edge. @param {Shown | null} shown @param {Id} id */
export function focusKey(shown, id) {
  for (const map of shown ? [shown.map, shown.answer.data] : []) {
    const node = map.nodes.find((one) => one.id === id);
    if (node) return node.key;
    const edge = map.edges.find((one) => one.id === id);
    if (edge) return edgeKey(map, edge);
  }
  return id;
}

/** Around everything that is drawn. @param {Shown} shown @returns {Box} */
export function extent({ picture: { nodes } }) {
  if (!nodes.length) return { x: 0, y: 0, width: 1, height: 1 };
  const xs = nodes.map(({ x }) => x);
  const ys = nodes.map(({ y }) => y);
  const [left, top] = [Math.min(...xs) - NODE.width / 2, Math.min(...ys) - NODE.height / 2];
  return { x: left, y: top, width: Math.max(...xs) - left + NODE.width / 2, height: Math.max(...ys) - top + NODE.height / 2 };
}

/** Where one looks first: at the selection, else at the worst that is there. @param {Shown} shown @returns {Point | null} */
export function interest({ map, picture: { nodes } }) {
  const chosen = nodes.filter(({ selected }) => selected);
  if (chosen.length) return { x: average(chosen.map(({ x }) => x)), y: average(chosen.map(({ y }) => y)) };
  const worst = [...map.nodes].sort((a, b) => compareStatus(nodeStatus(a), nodeStatus(b)) || b.reasons.length - a.reasons.length)[0];
  return nodes.find(({ id }) => id === worst?.id) ?? null;
}

/** @param {number[]} values */
function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The node that an arrow key leads to: left a caller, right one that is called, up and down the next in the column.
 * @param {Shown} shown
 * @param {Id} from
 * @param {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} key
 * @returns {Id | null}
 */
export function next(shown, from, key) {
  const here = shown.layout.position.get(from);
  if (!here) return null;
  if (key === "ArrowLeft" || key === "ArrowRight") return alongEdge(shown, from, key === "ArrowRight", here.y);
  const sign = key === "ArrowDown" ? 1 : -1;
  const beyond = shown.picture.nodes
    .filter(({ id, x, y }) => id !== from && Math.abs(x - here.x) < NODE.width / 2 && (y - here.y) * sign > 0)
    .sort((a, b) => (a.y - b.y) * sign);
  return beyond[0]?.id ?? null;
}

/** The worst first, then the nearest. @param {Shown} shown @param {Id} from @param {boolean} down @param {number} height */
function alongEdge({ map, layout }, from, down, height) {
  const [near, far] = down ? /** @type {const} */ (["from", "to"]) : /** @type {const} */ (["to", "from"]);
  const away = (/** @type {MapEdge} */ edge) => Math.abs((layout.position.get(edge[far])?.y ?? 0) - height);
  const edges = map.edges.filter((edge) => edge[near] === from && edge[far] !== from);
  edges.sort((a, b) => compareStatus(edgeStatus(a), edgeStatus(b)) || away(a) - away(b));
  return edges[0]?.[far] ?? null;
}
