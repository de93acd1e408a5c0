// @ts-check
/** Draws a picture as SVG; what stays is changed in place, so that nothing blinks or loses the focus. */

import { keyed, put, say, svg } from "../dom.js";
import { NODE } from "../layout/routes.js";
import { GLYPHS, WORST_FIRST } from "../status.js";
import { fitted } from "./text.js";

/** @import { DrawnEdge, DrawnNode, Picture } from "./picture.js" */
/** @import { Id } from "../types.js" */

const LEFT = 36;
const LINE = 18;

/**
 * @typedef {object} Emphasis
 * @property {Id | null} focus the node or edge that the panel shows
 * @property {Id | null} tab the node that Tab goes to
 */

/** The heads of arrows, one for each status. @param {SVGDefsElement} defs */
export function arrows(defs) {
  for (const status of WORST_FIRST)
    defs.append(
      svg(
        "marker",
        { id: `arrow-${status}`, viewBox: "0 0 8 8", refX: 5, refY: 4, markerWidth: 11, markerHeight: 11, markerUnits: "userSpaceOnUse", orient: "auto" },
        svg("path", { d: "M0 0 8 4 0 8z", class: `arrow ${status}` }),
      ),
    );
}

/**
 * @param {{ edges: SVGGElement, nodes: SVGGElement, labels: SVGGElement }} layers
 * @returns {(picture: Picture, emphasis: Emphasis) => void}
 */
export function scene(layers) {
  /** @type {Map<string, SVGGElement>} */
  const nodes = new Map();
  /** @type {Map<string, SVGGElement>} */
  const edges = new Map();
  /** @type {Map<string, SVGGElement>} */
  const labels = new Map();
  return (picture, emphasis) => {
    const key = (/** @type {{ id: Id }} */ { id }) => id;
    keyed(layers.edges, edges, picture.edges, { key, make: makeEdge, change: (element, edge) => changeEdge(element, edge, emphasis) });
    keyed(layers.nodes, nodes, picture.nodes, { key, make: makeNode, change: (element, node) => changeNode(element, node, emphasis) });
    const said = picture.edges.filter((edge) => edge.words_at);
    keyed(layers.labels, labels, said, { key, make: () => svg("g", {}, svg("rect"), svg("text")), change: changeLabel });
  };
}

/** @param {DrawnNode} node */
function makeNode(node) {
  const under = node.shape === "stack" ? [10, 5].map((by) => svg("rect", { class: "box under", x: by, y: -by, ...NODE, rx: 9 })) : [];
  return svg(
    "g",
    { role: "button", "data-id": node.id },
    svg("title"),
    ...under,
    svg("rect", { class: "box", ...NODE }),
    svg("path", { class: "glyph", transform: `translate(9 ${NODE.height / 2 - 10})` }),
    svg("text", { class: "name", x: LEFT, y: 21 }),
    svg("text", { class: "sub", x: LEFT, y: 40 }),
    svg("text", { class: "more up", x: -6, y: NODE.height - 2, "text-anchor": "end" }),
    svg("text", { class: "more down", x: NODE.width + 6, y: NODE.height - 2 }),
  );
}

const CORNERS = { workload: 9, stateful: 1, address: NODE.height / 2, stack: 9 };

/** @param {SVGGElement} element @param {DrawnNode} node @param {Emphasis} emphasis */
function changeNode(element, node, { focus, tab }) {
  const dashed = node.shape === "address" || node.status === "unknown";
  const classes = ["node", node.status, dashed && "dashed", node.selected && "selected", node.id === focus && "focused"];
  put(element, {
    class: classes.filter(Boolean).join(" "),
    transform: `translate(${round(node.x - NODE.width / 2)} ${round(node.y - NODE.height / 2)})`,
    tabindex: node.id === tab ? 0 : -1,
    "aria-label": node.sentence,
    "aria-pressed": node.id === focus,
  });
  put(part(element, ".box:not(.under)"), { rx: CORNERS[node.shape] });
  put(part(element, ".glyph"), { d: GLYPHS[node.status] });
  say(part(element, "title"), node.sentence);
  const room = NODE.width - LEFT - 8;
  say(part(element, ".name"), fitted(node.name, room, "name"));
  say(part(element, ".sub"), fitted(node.sub, room, "sub", "end"));
  say(part(element, ".up"), node.up);
  say(part(element, ".down"), node.down);
}

/** @param {DrawnEdge} edge */
function makeEdge(edge) {
  return svg("g", { "data-edge": edge.id }, svg("title"), svg("path", { class: "edge-hit" }), svg("path", { class: "edge" }));
}

/** @param {SVGGElement} element @param {DrawnEdge} edge @param {Emphasis} emphasis */
function changeEdge(element, edge, { focus }) {
  const near = focus === edge.id || focus === edge.from || focus === edge.to;
  const quiet = edge.status === "ok" || edge.status === "unknown";
  const classes = ["edge", edge.status, edge.lossy && "lossy", edge.oneEnd && quiet && "one-end", focus === edge.id && "focused"];
  if (quiet && !near) classes.push(focus === null ? "quiet" : "faded");
  put(part(element, ".edge-hit"), { d: edge.line });
  put(part(element, ".edge"), {
    d: edge.line,
    class: classes.filter(Boolean).join(" "),
    "stroke-width": edge.lossy ? Math.max(4, edge.width) : edge.oneEnd ? Math.min(3, edge.width) : edge.width,
    "marker-end": `url(#arrow-${edge.status})`,
  });
  say(part(element, "title"), edge.sentence);
}

/** @param {SVGGElement} element @param {DrawnEdge} edge */
function changeLabel(element, edge) {
  const { x, y } = edge.words_at ?? { x: 0, y: 0 };
  const changed = edge.status === "ok" && edge.words.some((word) => word.includes("×"));
  const [back, text] = element.children;
  const height = edge.words.length * LINE;
  put(element, { class: `label ${changed ? "changed" : edge.status}`, "data-edge": edge.id });
  put(back, { x: round(x - edge.words_width / 2), y: round(y - height / 2), width: round(edge.words_width), height, rx: 5 });
  while (text.childElementCount > edge.words.length) text.lastElementChild?.remove();
  edge.words.forEach((word, at) => {
    const line = text.children[at] ?? text.appendChild(svg("tspan"));
    put(line, { x: round(x), y: round(y + 5 + (at - (edge.words.length - 1) / 2) * LINE) });
    say(line, word);
  });
}

/** @param {Element} element @param {string} selector */
function part(element, selector) {
  return /** @type {Element} */ (element.querySelector(selector));
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
