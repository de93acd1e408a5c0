// @ts-check
/** The layered layout: clients left, servers right; it keeps the places of the last time where it can. */

import { layers, NO_LAYER, withoutCircles } from "./layers.js";
import { heights } from "./rows.js";

/** @import { Id, Layout, Placed, Point } from "../types.js" */

/** Distances in the map's units: between columns, between rows. */
export const COLUMN = 340;
export const ROW = 66;

/**
 * @param {Id[]} nodes
 * @param {{ from: Id, to: Id }[]} edges those to or from other nodes, or within one, are left aside
 * @param {Map<string, Placed>} [previous] positions of the last time; none: a fresh layout
 * @param {{ column?: number, row?: number }} [size]
 * @returns {Layout}
 */
export function layered(nodes, edges, previous = new Map(), { column = COLUMN, row = ROW } = {}) {
  const index = new Map(nodes.map((id, at) => [id, at]));
  const graph = withoutCircles(nodes.length, indexed(edges, index));
  const warm = nodes.some((id) => previous.has(id));
  const kept = warm ? Int32Array.from(nodes, (id) => previous.get(id)?.layer ?? NO_LAYER) : null;
  const layer = layers(graph, kept);
  const laid = withPoints(nodes, graph, layer);
  const y = heights(
    { nodes: nodes.length, columns: laid.columns, left: laid.left, right: laid.right },
    Float64Array.from(laid.names, (name) => (warm ? (previous.get(name)?.y ?? NaN) : NaN)),
    row,
  );
  const place = (/** @type {number} */ point) => ({ x: laid.layer[point] * column, y: y[point], layer: laid.layer[point] });
  const position = new Map(laid.names.map((name, point) => [name, place(point)]));
  return { position, route: (from, to) => route(index, graph, laid, place, from, to) };
}

/**
 * @param {{ from: Id, to: Id }[]} edges
 * @param {Map<Id, number>} index
 * @returns {[number, number][]} each pair once
 */
function indexed(edges, index) {
  /** @type {Map<number, [number, number]>} */
  const pairs = new Map();
  for (const { from, to } of edges) {
    const a = index.get(from);
    const b = index.get(to);
    if (a !== undefined && b !== undefined && a !== b) pairs.set(a * index.size + b, [a, b]);
  }
  return [...pairs.values()];
}

/**
 * @typedef {object} Laid
 * @property {string[]} names of nodes, then of points
 * @property {number[]} layer of nodes, then of points
 * @property {number[][]} columns
 * @property {number[][]} left
 * @property {number[][]} right
 * @property {Map<number, number[]>} via points of an edge `from * size + to`
 */

/**
 * Gives an edge that skips columns a point in each of them.
 * @param {Id[]} nodes
 * @param {import("./layers.js").Graph} graph
 * @param {Int32Array} layer
 * @returns {Laid}
 */
function withPoints(nodes, { size, down }, layer) {
  const base = layer.reduce((low, value) => Math.min(low, value), Infinity);
  /** @type {Laid} */
  const laid = { names: [...nodes], layer: [...layer], columns: [], left: [], right: [], via: new Map() };
  const column = (/** @type {number} */ at) => (laid.columns[at - base] ??= []);
  for (let node = 0; node < size; node += 1) {
    column(layer[node]).push(node);
    laid.left[node] = [];
    laid.right[node] = [];
  }
  for (let node = 0; node < size; node += 1)
    for (const called of down[node]) {
      if (layer[called] <= layer[node] || laid.via.has(node * size + called)) continue;
      const points = [];
      let before = node;
      for (let at = layer[node] + 1; at < layer[called]; at += 1) {
        const point = laid.names.push(`${nodes[node]}>${nodes[called]}@${at}`) - 1;
        laid.layer[point] = at;
        laid.left[point] = [before];
        laid.right[point] = [];
        laid.right[before].push(point);
        column(at).push(point);
        points.push(point);
        before = point;
      }
      laid.right[before].push(called);
      laid.left[called].push(before);
      laid.via.set(node * size + called, points);
    }
  laid.columns = Array.from(laid.columns, (list) => list ?? []);
  return laid;
}

/**
 * @param {Map<Id, number>} index
 * @param {import("./layers.js").Graph} graph
 * @param {Laid} laid
 * @param {(point: number) => Placed} place
 * @param {Id} from
 * @param {Id} to
 * @returns {Point[]} the caller first
 */
function route(index, { size, turned }, laid, place, from, to) {
  const a = index.get(from);
  const b = index.get(to);
  if (a === undefined || b === undefined) return [];
  const back = turned.has(a * size + b);
  const via = laid.via.get(back ? b * size + a : a * size + b) ?? [];
  const inner = back ? [...via].reverse() : via;
  return [a, ...inner, b].map(place);
}
