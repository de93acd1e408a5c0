// @ts-check
/** Columns of nodes: clients left, servers right. Nodes are numbers here, from 0 on. */

/**
 * @typedef {object} Graph
 * @property {number} size how many nodes
 * @property {number[][]} down who is called, by node; without the edges that close a circle
 * @property {number[][]} up who calls, by node
 * @property {Set<number>} turned edges `from * size + to` that are counted the other way round
 */

/**
 * Turns the edges that lead back in a depth-first walk from those that nobody calls.
 * @param {number} size
 * @param {[number, number][]} edges
 * @returns {Graph}
 */
export function withoutCircles(size, edges) {
  const out = lists(size);
  const calls = new Int32Array(size);
  for (const [from, to] of edges) {
    out[from].push(to);
    calls[to] += 1;
  }
  const turned = backEdges(size, out, calls);
  const down = lists(size);
  const up = lists(size);
  for (const [from, to] of edges) {
    const [a, b] = turned.has(from * size + to) ? [to, from] : [from, to];
    down[a].push(b);
    up[b].push(a);
  }
  return { size, down, up, turned };
}

/** @param {number} size @returns {number[][]} */
function lists(size) {
  return Array.from({ length: size }, () => []);
}

/** @param {number} size @param {number[][]} out @param {Int32Array} calls */
function backEdges(size, out, calls) {
  const NEW = 0;
  const OPEN = 1;
  const DONE = 2;
  const state = new Uint8Array(size);
  /** @type {Set<number>} */
  const back = new Set();
  const roots = Array.from({ length: size }, (_, node) => node).sort((a, b) => calls[a] - calls[b] || a - b);
  for (const root of roots) {
    if (state[root] !== NEW) continue;
    /** @type {[number, number][]} */
    const walk = [[root, 0]];
    state[root] = OPEN;
    while (walk.length) {
      const top = walk[walk.length - 1];
      const [node, next] = top;
      if (next === out[node].length) {
        state[node] = DONE;
        walk.pop();
        continue;
      }
      top[1] += 1;
      const called = out[node][next];
      if (state[called] === OPEN) back.add(node * size + called);
      else if (state[called] === NEW) {
        state[called] = OPEN;
        walk.push([called, 0]);
      }
    }
  }
  return back;
}

/**
 * As far left as the callers allow; those that nobody calls stand beside what they call.
 * @param {Graph} graph
 * @param {(Int32Array | null)} kept columns of the last time, NO_LAYER where there was none; null: a fresh layout
 * @returns {Int32Array} column of each node, from 0 on if fresh
 */
export function layers(graph, kept) {
  const order = callersFirst(graph);
  const layer = longestPaths(graph, order);
  if (kept) keepColumns(graph, order, layer, kept);
  else shift(layer, -Math.min(0, ...layer));
  return layer;
}

export const NO_LAYER = -1e6;

/** @param {Graph} graph */
function callersFirst({ size, down, up }) {
  const waiting = Int32Array.from(up, (list) => list.length);
  /** @type {number[]} */
  const order = [];
  for (let node = 0; node < size; node += 1) if (!waiting[node]) order.push(node);
  for (let at = 0; at < order.length; at += 1)
    for (const called of down[order[at]]) {
      waiting[called] -= 1;
      if (!waiting[called]) order.push(called);
    }
  return order;
}

/** @param {Graph} graph @param {number[]} order */
function longestPaths({ size, down, up }, order) {
  const layer = new Int32Array(size);
  for (const node of order) for (const called of down[node]) layer[called] = Math.max(layer[called], layer[node] + 1);
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const node = order[at];
    if (!up[node].length && down[node].length) layer[node] = least(down[node], layer) - 1;
  }
  return layer;
}

/** @param {number[]} nodes @param {Int32Array} layer */
function least(nodes, layer) {
  let low = Infinity;
  for (const node of nodes) low = Math.min(low, layer[node]);
  return low;
}

/**
 * Who was there keeps its column; who is new stands right of its callers, else left of what it calls.
 * @param {Graph} graph
 * @param {number[]} order
 * @param {Int32Array} layer changed in place
 * @param {Int32Array} kept
 */
function keepColumns({ size, down, up }, order, layer, kept) {
  const fixed = new Uint8Array(size);
  for (let node = 0; node < size; node += 1)
    if (kept[node] !== NO_LAYER) {
      layer[node] = kept[node];
      fixed[node] = 1;
    }
  for (const node of order) {
    if (fixed[node]) continue;
    const callers = up[node].filter((other) => fixed[other]).map((other) => layer[other] + 1);
    const called = down[node].filter((other) => fixed[other]).map((other) => layer[other] - 1);
    layer[node] = callers.length ? Math.max(...callers) : called.length ? Math.min(...called) : 0;
    fixed[node] = 1;
  }
}

/** @param {Int32Array} layer @param {number} by */
function shift(layer, by) {
  for (let node = 0; node < layer.length; node += 1) layer[node] += by;
}
