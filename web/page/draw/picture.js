// @ts-check
/** What the map shows, as numbers and words: a function of the answer alone, drawn by `scene.js`. */

import { places } from "../layout/labels.js";
import { curve, lines, NODE } from "../layout/routes.js";
import { attempts, edgeLabel, edgeSentence, edgeStatus, isLossy, nodeStatus, seenFromOneEnd, STATUS_WORDS } from "../status.js";
import { count, duration, often, percent, plural, rate } from "../words.js";

/** @import { Id, Layout, MapData, MapEdge, MapNode, Point, Status } from "../types.js" */

/** Width of lines, in the map's units, by the logarithm of their bytes. */
const THIN = 1.6;
const THICK = 7.5;
/** From so many connects on their number has no room in a node. */
const MANY = 1000;
const LABEL_LINE = 18;
const LABEL_CHARACTER = 8.6;
const BOLD_CHARACTER = 9.1;

/**
 * @typedef {object} DrawnNode
 * @property {Id} id
 * @property {number} x middle
 * @property {number} y
 * @property {Status} status
 * @property {string} name
 * @property {string} sub the second line: what is wrong, else where it belongs
 * @property {string} sentence
 * @property {"workload" | "stateful" | "address" | "stack"} shape
 * @property {boolean} selected
 * @property {string} up neighbours that are not shown, at the left
 * @property {string} down at the right
 */

/**
 * @typedef {object} DrawnEdge
 * @property {Id} id
 * @property {Id} from
 * @property {Id} to
 * @property {string} line
 * @property {number} width
 * @property {Status} status
 * @property {boolean} lossy
 * @property {boolean} oneEnd
 * @property {string} sentence
 * @property {string[]} words
 * @property {number} words_width
 * @property {Point | null} words_at middle of the words
 */

/** @typedef {{ nodes: DrawnNode[], edges: DrawnEdge[] }} Picture */

/**
 * @param {MapData} map with its stacks
 * @param {Layout} layout
 * @param {number} seconds of the window
 * @returns {Picture}
 */
export function picture(map, layout, seconds) {
  const names = new Map(map.nodes.map((node) => [node.id, node.name]));
  const paths = lines(map.edges, layout);
  const most = Math.max(1, ...map.edges.map((edge) => edge.bytes + edge.reply_bytes));
  const chosen = new Set(map.selection);
  const sums = incoming(map.edges);
  const nodes = map.nodes.map((node) => drawnNode(node, layout, chosen, sums.get(node.id)));
  const crowd = crowds(map.edges);
  const wanted = map.edges.flatMap((edge) => label(edge, paths.get(edge.id), chosen, crowd, seconds));
  const at = places(wanted, nodes.map(boxOf));
  const words = new Map(wanted.map((one) => [one.id, one]));
  const edges = map.edges.flatMap((edge) => {
    const points = paths.get(edge.id);
    if (!points) return [];
    return [
      {
        id: edge.id,
        from: edge.from,
        to: edge.to,
        line: curve(points),
        width: width(edge.bytes + edge.reply_bytes, most),
        status: edgeStatus(edge),
        lossy: isLossy(edge),
        oneEnd: seenFromOneEnd(edge),
        sentence: edgeSentence(edge, names.get(edge.from) ?? edge.from, names.get(edge.to) ?? edge.to),
        words: at.has(edge.id) ? (words.get(edge.id)?.words ?? []) : [],
        words_width: words.get(edge.id)?.width ?? 0,
        words_at: at.get(edge.id) ?? null,
      },
    ];
  });
  return { nodes, edges };
}

/** @param {number} bytes @param {number} most */
function width(bytes, most) {
  const share = Math.log1p(bytes) / Math.log1p(most);
  return Math.round((THIN + (THICK - THIN) * share ** 3) * 10) / 10;
}

/** @param {{ x: number, y: number }} middle */
function boxOf({ x, y }) {
  return { x: x - NODE.width / 2, y: y - NODE.height / 2, ...NODE };
}

/** @typedef {{ failed: number, attempts: number, retransmits: number, sent: number, wrong: number, requests: number, unresolved: number, queries: number }} Sums of all edges that enter a node */

/** @param {MapEdge[]} edges */
function incoming(edges) {
  /** @type {Map<Id, Sums>} */
  const sums = new Map();
  for (const edge of edges) {
    const before = sums.get(edge.to) ?? { failed: 0, attempts: 0, retransmits: 0, sent: 0, wrong: 0, requests: 0, unresolved: 0, queries: 0 };
    sums.set(edge.to, {
      failed: before.failed + edge.failed,
      attempts: before.attempts + attempts(edge),
      retransmits: before.retransmits + edge.retransmits,
      sent: before.sent + edge.sent,
      wrong: before.wrong + edge.requests_failed,
      requests: before.requests + edge.requests,
      unresolved: before.unresolved + edge.queries_failed,
      queries: before.queries + edge.queries,
    });
  }
  return sums;
}

/** @param {MapNode} node @param {Layout} layout @param {Set<Id>} chosen @param {Sums | undefined} sums @returns {DrawnNode} */
function drawnNode(node, layout, chosen, sums) {
  const { x, y } = layout.position.get(node.id) ?? { x: 0, y: 0 };
  const status = nodeStatus(node);
  const hidden = (/** @type {number} */ number) => (number > 0 && !node.stack ? `+${number}` : "");
  const sub = secondLine(node, status, sums);
  return {
    id: node.id,
    x,
    y,
    status,
    name: node.name,
    sub,
    sentence: `${node.name}, ${node.namespace ? `${node.namespace}, ` : ""}${STATUS_WORDS[status]}${node.reasons.length ? `: ${node.reasons.join(", ")}` : ""}${node.hop ? `, ${plural(node.hop, "hop")}` : ""}`,
    shape: shapeOf(node),
    selected: chosen.has(node.id),
    up: hidden(node.left_out.up),
    down: hidden(node.left_out.down),
  };
}

/** What is wrong in few words, else where it belongs. @param {MapNode} node @param {Status} status @param {Sums | undefined} sums */
function secondLine(node, status, sums) {
  const wrong = status === "failing" || status === "degraded" ? (sums && wrongWords(sums)) || node.reasons[0] : "";
  if (wrong) return wrong;
  const place = [node.namespace, node.versions.join(" | "), node.zones.join("/")].filter(Boolean).join(" · ");
  return status === "new" || status === "gone" ? `${STATUS_WORDS[status]} · ${place || node.kind}` : place || node.kind;
}

/** What is wrong with all that enters a node; nothing if it is well. @param {Sums} sums */
function wrongWords({ failed, attempts: tried, retransmits, sent, wrong, requests, unresolved, queries }) {
  if (unresolved && unresolved >= failed + wrong) return `${percent(unresolved, queries)} of DNS failed`;
  if (wrong && wrong >= failed) return `${percent(wrong, requests)} errors`;
  if (failed) return `${percent(failed, tried)} ${tried < MANY ? `of ${count(tried)} ` : ""}failed`;
  return retransmits ? `${percent(retransmits, sent)} sent again` : "";
}

/** @param {MapNode} node @returns {DrawnNode["shape"]} */
function shapeOf({ kind, stack }) {
  if (stack) return "stack";
  if (kind === "address" || kind === "domain") return "address";
  return kind === "StatefulSet" ? "stateful" : "workload";
}

/** How many edges leave and enter each node. @param {MapEdge[]} edges */
function crowds(edges) {
  /** @type {{ leaving: Map<Id, number>, entering: Map<Id, number> }} */
  const crowd = { leaving: new Map(), entering: new Map() };
  for (const { from, to } of edges) {
    crowd.leaving.set(from, (crowd.leaving.get(from) ?? 0) + 1);
    crowd.entering.set(to, (crowd.entering.get(to) ?? 0) + 1);
  }
  return crowd;
}

/** Requests and how long they take, where there are any; else bytes. @param {MapEdge} edge @param {number} seconds */
function traffic({ requests, request_ns: took, bytes, reply_bytes }, seconds) {
  if (!requests) return rate(bytes + reply_bytes, seconds);
  return `${often(requests, seconds).replace("/s", " req/s")}${took ? ` · ${duration(took.p99)}` : ""}`;
}

/**
 * Words at an edge: what is wrong is needed; traffic stands at edges of the selection where there is room.
 * @param {MapEdge} edge
 * @param {Point[] | undefined} points
 * @param {Set<Id>} chosen
 * @param {ReturnType<typeof crowds>} crowd
 * @param {number} seconds
 */
function label(edge, points, chosen, crowd, seconds) {
  if (!points) return [];
  const wrong = edgeLabel(edge);
  const near = chosen.has(edge.from) || chosen.has(edge.to);
  const words = wrong.length ? wrong : near && attempts(edge) + edge.bytes > 0 ? [traffic(edge, seconds)] : [];
  if (!words.length) return [];
  const width = Math.max(...words.map((word) => word.length)) * (wrong.length ? BOLD_CHARACTER : LABEL_CHARACTER);
  const end = /** @type {"first" | "last"} */ ((crowd.leaving.get(edge.from) ?? 0) < (crowd.entering.get(edge.to) ?? 0) ? "first" : "last");
  return [{ id: edge.id, points, words, width, height: words.length * LABEL_LINE, needed: wrong.length > 0, end }];
}
