// @ts-check
/** Heights within columns: next to what one is connected with, with room between, and where one stood last time. */

/**
 * @typedef {object} Columns
 * @property {number} nodes the first so many points are nodes; those after them are points of long edges
 * @property {number[][]} columns points of each column
 * @property {number[][]} left neighbours of each point in the column left of it
 * @property {number[][]} right
 */

/** Sweeps over all columns of a fresh layout, and of one that keeps places. */
const SWEEPS = 10;
const SWEEPS_KEPT = 2;
/** How hard it is to push a point aside: one that has a place, a new node, a point of an edge. */
const WEIGHT_KEPT = 20;
const WEIGHT_NODE = 1;
const WEIGHT_POINT = 0.3;
/** Distance between two neighbours, in rows: of nodes; of a node and a point; of two points. */
const ROOM = 1;
const ROOM_MIXED = 0.7;
const ROOM_POINTS = 0.3;
/** What is nearer by less is not pushed aside: it is the last digit of a sum. */
const TOLERANCE = 1e-6;

/**
 * @param {Columns} graph
 * @param {Float64Array} kept heights of the last time, NaN where there was none
 * @param {number} row height of a row
 * @returns {Float64Array}
 */
export function heights(graph, kept, row) {
  const y = Float64Array.from(kept);
  const old = Uint8Array.from(kept, (value) => (Number.isNaN(value) ? 0 : 1));
  const warm = old.some((is) => is === 1);
  begin(graph, y, warm, row);
  for (let sweep = warm ? SWEEPS_KEPT : SWEEPS; sweep > 0; sweep -= 1) {
    for (let at = 1; at < graph.columns.length; at += 1) settle(graph, at, graph.left, y, old, row);
    for (let at = graph.columns.length - 2; at >= 0; at -= 1) settle(graph, at, graph.right, y, old, row);
  }
  for (const column of graph.columns) spread(column, graph.nodes, y, old, row);
  return y;
}

/**
 * @param {Columns} graph
 * @param {Float64Array} y
 * @param {boolean} warm
 * @param {number} row
 */
function begin({ columns, left, right }, y, warm, row) {
  for (const column of columns)
    column.forEach((point, place) => {
      if (!Number.isNaN(y[point])) return;
      const beside = warm ? mean(left[point].concat(right[point]), y) : NaN;
      y[point] = Number.isNaN(beside) ? (place - (column.length - 1) / 2) * row : beside;
    });
}

/** @param {number[]} points @param {Float64Array} y */
function mean(points, y) {
  let sum = 0;
  let known = 0;
  for (const point of points)
    if (!Number.isNaN(y[point])) {
      sum += y[point];
      known += 1;
    }
  return known ? sum / known : NaN;
}

/**
 * Moves the points of one column that have no place yet beside their neighbours on one side.
 * @param {Columns} graph
 * @param {number} at
 * @param {number[][]} side
 * @param {Float64Array} y
 * @param {Uint8Array} old
 * @param {number} row
 */
function settle({ columns, nodes }, at, side, y, old, row) {
  for (const point of columns[at]) {
    if (old[point]) continue;
    const beside = mean(side[point], y);
    if (!Number.isNaN(beside)) y[point] = beside;
  }
  spread(columns[at], nodes, y, old, row);
}

/**
 * Makes room with the least movement: neighbours that would overlap form a block and share its shift (isotonic
 * regression by pooling adjacent violators).
 * @param {number[]} column sorted in place, from top to bottom
 * @param {number} nodes
 * @param {Float64Array} y
 * @param {Uint8Array} old
 * @param {number} row
 */
export function spread(column, nodes, y, old, row) {
  column.sort((a, b) => y[a] - y[b] || a - b);
  /** @type {{ sum: number, weight: number, count: number }[]} */
  const blocks = [];
  const offsets = new Float64Array(column.length);
  column.forEach((point, place) => {
    if (place) offsets[place] = offsets[place - 1] + room(column[place - 1], point, nodes) * row;
    const weight = old[point] ? WEIGHT_KEPT : point < nodes ? WEIGHT_NODE : WEIGHT_POINT;
    let block = { sum: (y[point] - offsets[place]) * weight, weight, count: 1 };
    let above = blocks[blocks.length - 1];
    while (above && above.sum / above.weight > block.sum / block.weight + TOLERANCE) {
      blocks.pop();
      block = { sum: block.sum + above.sum, weight: block.weight + above.weight, count: block.count + above.count };
      above = blocks[blocks.length - 1];
    }
    blocks.push(block);
  });
  let place = 0;
  for (const block of blocks) {
    if (block.count === 1) {
      place += 1; // it has its room: not even the last digit changes
      continue;
    }
    for (let left = block.count; left > 0; left -= 1, place += 1)
      y[column[place]] = block.sum / block.weight + offsets[place];
  }
}

/** @param {number} a @param {number} b @param {number} nodes */
function room(a, b, nodes) {
  if (a < nodes && b < nodes) return ROOM;
  return a < nodes || b < nodes ? ROOM_MIXED : ROOM_POINTS;
}
