// @ts-check
/** Healthy leaves beyond a few of one node stand together as one stack. */

import { edgeStatus } from "../status.js";

/** @import { Id, MapData, MapEdge, MapNode } from "../types.js" */

/** Healthy leaves of one node and side that stand alone; a stack of one more would save nothing. */
export const LEAVES = 5;
const LEAST = 2;

/** @type {Omit<MapEdge, "id" | "from" | "to">} */
const NO_TRAFFIC = {
  port: 0,
  transport: "tcp",
  status: "unknown",
  reasons: [],
  bytes: 0,
  reply_bytes: 0,
  opened: 0,
  closed: 0,
  failed: 0,
  failures: {},
  retransmits: 0,
  datagrams: 0,
  datagrams_lost: 0,
  datagrams_dropped: 0,
  dropped: 0,
  drops: [],
  sent: 0,
  broken: 0,
  active: 0,
  connect_ns: null,
  rtt_ns: null,
  requests: 0,
  requests_failed: 0,
  request_ns: null,
  queries: 0,
  queries_failed: 0,
  evidence: { both: 0, client: 0, server: 0 },
  change: null,
  first_s: 0,
  last_s: 0,
  paths: [],
};

/**
 * The same map with its stacks; failing, new, gone and selected leaves never go into one.
 * @param {MapData} map
 * @param {ReadonlySet<Id>} opened stacks that the reader opened, by their id
 * @returns {MapData}
 */
export function stacked(map, opened = new Set()) {
  const degree = degrees(map.edges);
  const chosen = new Set(map.selection);
  const byId = new Map(map.nodes.map((node) => [node.id, node]));
  /** @type {Map<Id, MapNode>} */
  const stacks = new Map();
  /** @type {Map<Id, Id>} */
  const stackOf = new Map();
  for (const node of map.nodes)
    for (const side of /** @type {("up" | "down")[]} */ (["up", "down"])) {
      const id = stackId(node.id, side);
      const leaves = opened.has(id) ? [] : healthyLeaves(map.edges, node.id, side, degree, chosen, byId);
      const hidden = leaves.slice(LEAVES);
      const more = node.left_out[side];
      if (hidden.length ? hidden.length + more < LEAST : !more || !chosen.has(node.id)) continue;
      stacks.set(id, stackNode(id, node, side, hidden, more, byId));
      for (const leaf of hidden) stackOf.set(leaf, id);
    }
  return { ...map, nodes: keptNodes(map.nodes, stackOf, stacks), edges: [...keptEdges(map.edges, stackOf), ...moreEdges(stacks, stackOf)] };
}

/** @param {Id} parent @param {"up" | "down"} side */
function stackId(parent, side) {
  return `${parent}${side === "up" ? "<" : ">"}stack`;
}

/** @param {MapEdge[]} edges */
function degrees(edges) {
  /** @type {Map<Id, number>} */
  const degree = new Map();
  for (const { from, to } of edges) for (const id of [from, to]) degree.set(id, (degree.get(id) ?? 0) + 1);
  return degree;
}

/**
 * The busiest first.
 * @param {MapEdge[]} edges
 * @param {Id} parent
 * @param {"up" | "down"} side
 * @param {Map<Id, number>} degree
 * @param {Set<Id>} chosen
 * @param {Map<Id, MapNode>} byId
 */
function healthyLeaves(edges, parent, side, degree, chosen, byId) {
  const [near, far] = side === "up" ? /** @type {const} */ (["to", "from"]) : /** @type {const} */ (["from", "to"]);
  return edges
    .filter((edge) => edge[near] === parent && degree.get(edge[far]) === 1 && !chosen.has(edge[far]))
    .filter((edge) => edgeStatus(edge) === "ok" && isQuiet(byId.get(edge[far])))
    .sort((a, b) => b.bytes - a.bytes || (a.id < b.id ? -1 : 1))
    .map((edge) => edge[far]);
}

/** @param {MapNode | undefined} node */
function isQuiet(node) {
  return node !== undefined && node.status !== "failing" && node.status !== "degraded" && !node.left_out.up && !node.left_out.down;
}

/**
 * @param {Id} id
 * @param {MapNode} parent
 * @param {"up" | "down"} side
 * @param {Id[]} members
 * @param {number} more hidden ones that the answer only counts
 * @param {Map<Id, MapNode>} byId
 * @returns {MapNode}
 */
function stackNode(id, parent, side, members, more, byId) {
  const number = members.length + more;
  const known = members.map((member) => byId.get(member)?.namespace ?? "");
  return {
    id,
    key: id,
    name: `+ ${number.toLocaleString("en")} ${side === "up" ? "callers" : "called"}`,
    kind: "stack",
    namespace: [...new Set(known)].filter(Boolean).join(", "),
    zones: [],
    versions: [],
    hop: parent.hop + 1,
    status: members.length ? "ok" : "unknown",
    reasons: [],
    why: null,
    left_out: { up: 0, down: 0 },
    requests: 0,
    requests_failed: 0,
    request_ns: null,
    change: null,
    first_s: parent.first_s,
    last_s: parent.last_s,
    stack: number,
    members,
  };
}

/** Those that are left; what a stack counts is not counted beside its node again. @param {MapNode[]} nodes @param {Map<Id, Id>} stackOf @param {Map<Id, MapNode>} stacks */
function keptNodes(nodes, stackOf, stacks) {
  const alone = nodes.filter((node) => !stackOf.has(node.id));
  const counted = alone.map((node) => {
    const { up, down } = node.left_out;
    const left_out = { up: stacks.has(stackId(node.id, "up")) ? 0 : up, down: stacks.has(stackId(node.id, "down")) ? 0 : down };
    return { ...node, left_out };
  });
  return [...counted, ...stacks.values()];
}

/** Edges, those of one stack added up. @param {MapEdge[]} edges @param {Map<Id, Id>} stackOf */
function keptEdges(edges, stackOf) {
  /** @type {Map<Id, MapEdge>} */
  const kept = new Map();
  for (const edge of edges) {
    const from = stackOf.get(edge.from) ?? edge.from;
    const to = stackOf.get(edge.to) ?? edge.to;
    const id = from === edge.from && to === edge.to ? edge.id : `${from}>${to}`;
    const sum = kept.get(id);
    kept.set(id, sum ? added(sum, edge) : { ...edge, id, from, to });
  }
  return [...kept.values()];
}

/** @param {MapEdge} sum @param {MapEdge} edge @returns {MapEdge} */
function added(sum, edge) {
  return {
    ...sum,
    bytes: sum.bytes + edge.bytes,
    reply_bytes: sum.reply_bytes + edge.reply_bytes,
    opened: sum.opened + edge.opened,
    closed: sum.closed + edge.closed,
    retransmits: sum.retransmits + edge.retransmits,
    datagrams: sum.datagrams + edge.datagrams,
    datagrams_lost: sum.datagrams_lost + edge.datagrams_lost,
    datagrams_dropped: sum.datagrams_dropped + edge.datagrams_dropped,
    dropped: sum.dropped + edge.dropped,
    drops: [],
    sent: sum.sent + edge.sent,
    active: sum.active + edge.active,
    requests: sum.requests + edge.requests,
    requests_failed: sum.requests_failed + edge.requests_failed,
    queries: sum.queries + edge.queries,
    queries_failed: sum.queries_failed + edge.queries_failed,
    connect_ns: null,
    rtt_ns: null,
    request_ns: null,
    change: null,
  };
}

/**
 * Edges of stacks of which no member is in the answer: that they are there is all that is known.
 * @param {Map<Id, MapNode>} stacks
 * @param {Map<Id, Id>} stackOf
 * @returns {MapEdge[]}
 */
function moreEdges(stacks, stackOf) {
  const drawn = new Set(stackOf.values());
  return [...stacks.keys()]
    .filter((id) => !drawn.has(id))
    .map((id) => {
      const up = id.endsWith("<stack");
      const parent = id.slice(0, -"<stack".length);
      const [from, to] = up ? [id, parent] : [parent, id];
      return { ...NO_TRAFFIC, id: `${from}>${to}`, from,  to };
    });
}
