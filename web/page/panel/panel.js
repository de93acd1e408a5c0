// @ts-check
/** The panel at the right: what is looked at, with what has to be asked for it. */

import { byId, html, steady } from "../dom.js";
import { edgeKey, subjectOf } from "../shown.js";
import { askEndpoints, askInstances, askNat, askQuality, askWhere } from "../answers.js";
import { overview } from "./overview.js";
import { networkOrApplication } from "./quality.js";
import { routes } from "./routes.js";
import { instanceList, natPaths, section, whereItFails } from "./sections.js";
import { edgePanel, nodePanel, stackPanel } from "./subject.js";

/** @import { Shown } from "../shown.js" */
/** @import { Id, MapEdge, MapNode, View } from "../types.js" */

/**
 * @typedef {object} Acts
 * @property {(id: Id) => void} focus
 * @property {(id: Id, add: boolean) => void} centre
 * @property {() => void} compare
 * @property {(stack: Id) => void} open
 * @property {() => void} more
 */

/** @typedef {Acts & { view: View, shown: Shown, names: Map<Id, string>, seconds: number, asked: Node[] }} Context */

/** While live, what was asked is asked again after so many milliseconds. */
const FRESH_MS = 10_000;

/** @typedef {{ node: MapNode } | { edge: MapEdge }} Found */

/**
 * @param {Acts} acts
 * @returns {(view: View, shown: Shown) => void}
 */
export function panel(acts) {
  const root = byId("panel", HTMLElement);
  const answers = asking();
  const held = steady(root);
  let subject = "";
  return function render(view, shown) {
    const found = subjectOf(shown, view.focus);
    const asked = answers(view, shown, found, () => render(view, shown));
    const names = new Map([...shown.map.nodes, ...shown.answer.data.nodes].map((node) => [node.id, node.name]));
    const { from, to } = shown.answer.window;
    held(() => {
      replace(root, content(found, { ...acts, view, shown, names, seconds: to - from, asked }), subject === (view.focus ?? ""));
      subject = view.focus ?? "";
    });
  };
}

/** @param {Found | null} found @param {Context} context */
function content(found, context) {
  if (!found) return overview(context);
  if ("edge" in found) return edgePanel(found.edge, context);
  return found.node.stack ? stackPanel(found.node, context) : nodePanel(found.node, context);
}

/** Asks once for each subject and window; while live, again now and then. What was there stays until the answer comes. */
function asking() {
  /** @type {{ key: string, nodes: Node[], at: number } | null} */
  let asked = null;
  let stop = new AbortController();
  /** @param {View} view @param {Shown} shown @param {Found | null} found @param {() => void} changed @returns {Node[]} */
  return (view, shown, found, changed) => {
    if (!found || ("node" in found && found.node.stack)) {
      stop.abort();
      asked = null;
      return [];
    }
    const key = [view.focus, view.at ?? "live", view.window_s, view.q, view.errors, view.folded].join(" ");
    const isFresh = asked?.key === key && (view.at !== null || performance.now() - asked.at < FRESH_MS);
    if (asked && isFresh) return asked.nodes;
    stop.abort();
    stop = new AbortController();
    const before = asked?.key === key ? asked.nodes : [section("Where it fails", html("p", { class: "dim" }, "Asking …"))];
    const mine = { key, nodes: before, at: performance.now() };
    asked = mine;
    void more(view, shown, found, stop.signal).then((nodes) => {
      if (asked !== mine) return;
      mine.nodes = nodes;
      changed();
    });
    return before;
  };
}

/**
 * New content; the scroll, the open legend and the focus stay while the subject does.
 * @param {HTMLElement} root
 * @param {(Node | null)[]} content
 * @param {boolean} same
 */
function replace(root, content, same) {
  const top = root.scrollTop;
  const open = root.querySelector("details")?.open ?? false;
  const buttons = [...root.querySelectorAll("button, summary")];
  const held = buttons.indexOf(/** @type {Element} */ (document.activeElement));
  root.replaceChildren(...content.filter((node) => node !== null));
  const details = root.querySelector("details");
  if (details && open) details.open = true;
  root.scrollTop = same ? top : 0;
  if (held < 0) return;
  const again = root.querySelectorAll("button, summary")[held];
  if (same && again instanceof HTMLElement) again.focus({ preventScroll: true });
  else root.focus({ preventScroll: true });
}

/** @param {Shown} shown @param {Found} found @returns {MapEdge[]} */
function edgesAt({ answer }, found) {
  if ("edge" in found) return [found.edge];
  return answer.data.edges.filter(({ from, to }) => from === found.node.id || to === found.node.id);
}

/** @param {MapEdge[]} edges */
function whatFails(edges) {
  if (edges.some(({ failed }) => failed)) return "connects";
  if (edges.some(({ requests_failed }) => requests_failed)) return "requests";
  return edges.some(({ dropped, status }) => dropped && status === "degraded") ? "drops" : "connects";
}

/** What requests were of. @param {View} view @param {import("../answers.js").Subject} subject @param {AbortSignal} signal */
function asksOf(view, subject, signal) {
  if ("edge" in subject) return [askEndpoints(view, subject, "both", signal).then((found) => routes("Routes", found))];
  return [
    askEndpoints(view, subject, "up", signal).then((found) => routes("Routes that it serves", found)),
    askEndpoints(view, subject, "down", signal).then((found) => routes("Routes that it calls", found)),
  ];
}

/**
 * @param {View} view
 * @param {Shown} shown
 * @param {Found} found
 * @param {AbortSignal} signal
 * @returns {Promise<Node[]>} what could not be had is left out, or says so
 */
async function more(view, shown, found, signal) {
  const subject = "edge" in found ? { edge: edgeKey(shown.answer.data, found.edge) } : { select: found.node.key };
  const edges = edgesAt(shown, found);
  const of = whatFails(edges);
  const answers = await Promise.allSettled([
    askQuality(view, subject, signal).then(networkOrApplication),
    askWhere(view, subject, of, signal).then((found) => whereItFails(found, of)),
    ...(edges.some(({ requests }) => requests) ? asksOf(view, subject, signal) : []),
    askNat(view, subject, signal).then(natPaths),
    "node" in found ? askInstances(view, subject, signal).then(instanceList) : null,
  ]);
  return answers.flatMap((answer) => {
    if (answer.status === "fulfilled") return answer.value ? [answer.value] : [];
    return answer.reason?.name === "AbortError" ? [] : [section("Not answered", html("p", { class: "dim" }, String(answer.reason?.message ?? answer.reason)))];
  });
}
