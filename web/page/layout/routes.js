// @ts-check
/** The lines of edges: where they leave and enter a node, and the curve between. */

/** @import { Id, Layout, Point } from "../types.js" */

/** Size of a node, and how far apart lines at one side of it are, in the map's units. */
export const NODE = { width: 204, height: 52 };
const PORT_GAP = 6;
const PORT_RANGE = 36;
/** Room for the head of the arrow. */
const ARROW = 3;
/** How far above and below the middle the line of a node that calls itself leaves and comes back. */
const LOOP = 12;
/** How far a line between two nodes of one column bends out. */
const BEND = 70;

/**
 * The points that each edge goes through, from the caller's side to the server's.
 * @param {{ id: Id, from: Id, to: Id }[]} edges
 * @param {Layout} layout
 * @returns {Map<Id, Point[]>}
 */
export function lines(edges, layout) {
  const routes = new Map(edges.map((edge) => [edge.id, layout.route(edge.from, edge.to)]));
  const drawn = edges.filter((edge) => (routes.get(edge.id)?.length ?? 0) > 1);
  const others = drawn.filter((edge) => edge.from !== edge.to);
  const leaving = ports(others, (edge) => edge.from, (edge) => routes.get(edge.id)?.[1].y ?? 0);
  const entering = ports(others, (edge) => edge.to, (edge) => routes.get(edge.id)?.at(-2)?.y ?? 0);
  return new Map(
    drawn.map((edge) => [edge.id, ended(routes.get(edge.id) ?? [], leaving.get(edge.id) ?? -LOOP, entering.get(edge.id) ?? LOOP)]),
  );
}

/**
 * How far from the middle of its node each edge ends, in the order in which they come.
 * @template {{ id: Id }} E
 * @param {E[]} edges
 * @param {(edge: E) => Id} node
 * @param {(edge: E) => number} height
 */
function ports(edges, node, height) {
  /** @type {Map<Id, E[]>} */
  const sides = new Map();
  for (const edge of edges) {
    const side = sides.get(node(edge));
    if (side) side.push(edge);
    else sides.set(node(edge), [edge]);
  }
  /** @type {Map<Id, number>} */
  const offset = new Map();
  for (const side of sides.values()) {
    side.sort((a, b) => height(a) - height(b) || (a.id < b.id ? -1 : 1));
    const gap = Math.min(PORT_GAP, PORT_RANGE / side.length);
    side.forEach((edge, at) => offset.set(edge.id, (at - (side.length - 1) / 2) * gap));
  }
  return offset;
}

/** @param {Point[]} points @param {number} leaves @param {number} enters @returns {Point[]} */
function ended(points, leaves, enters) {
  const half = NODE.width / 2;
  const last = points.length - 1;
  const out = Math.sign(points[1].x - points[0].x) || 1;
  const into = Math.sign(points[last].x - points[last - 1].x) || -1;
  return points.map((point, at) => {
    if (at === 0) return { x: point.x + out * half, y: point.y + leaves };
    if (at === last) return { x: point.x - into * (half + ARROW), y: point.y + enters };
    return { x: point.x, y: point.y };
  });
}

/** The outline of a line, for the attribute `d` of a path. @param {Point[]} points */
export function curve(points) {
  let text = `M${round(points[0].x)} ${round(points[0].y)}`;
  for (let at = 1; at < points.length; at += 1) {
    const [, b, c, d] = piece(points, at);
    text += `C${round(b.x)} ${round(b.y)} ${round(c.x)} ${round(c.y)} ${round(d.x)} ${round(d.y)}`;
  }
  return text;
}

/**
 * A place on a line.
 * @param {Point[]} points
 * @param {number} at the piece that ends at this point
 * @param {number} share of the piece, 0 to 1
 * @returns {Point}
 */
export function along(points, at, share) {
  const [a, b, c, d] = piece(points, at);
  const rest = 1 - share;
  const mix = (/** @type {"x" | "y"} */ key) =>
    rest ** 3 * a[key] + 3 * rest ** 2 * share * b[key] + 3 * rest * share ** 2 * c[key] + share ** 3 * d[key];
  return { x: mix("x"), y: mix("y") };
}

/** @param {Point[]} points @param {number} at @returns {[Point, Point, Point, Point]} */
function piece(points, at) {
  const a = points[at - 1];
  const d = points[at];
  const within = Math.abs(a.x - d.x) < NODE.width / 2;
  const half = within ? BEND : (d.x - a.x) / 2;
  return [a, { x: a.x + half, y: a.y }, { x: within ? d.x + half : d.x - half, y: d.y }, d];
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
