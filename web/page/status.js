// @ts-check
/** How well something is, by shape, word and colour: what a node and an edge look like, and what their labels say. */

import { count, duration, percent, plural } from "./words.js";

/** @import { Change, MapEdge, MapNode, Status } from "./types.js" */

/** From a share of connections on that one end alone reported an edge is drawn as seen from one end. */
const ONE_END_SHARE = 0.95;
/** A connect, or a request, that takes longer is worth a word. */
const SLOW_NS = 500e6;
/** From so many requests on the part that failed tells more than their number. */
const MANY = 100;
/** A ratio to the other window, up or down, that is worth a word. */
const CHANGED_RATIO = 1.5;

/** Outlines in a square of 20 units. @type {Record<Status, string>} */
export const GLYPHS = {
  ok: "M10 3.5a6.5 6.5 0 1 0 .01 0z",
  degraded: "M10 2 18.5 17.5H1.5z",
  failing: "M6.7 2h6.6L18 6.7v6.6L13.3 18H6.7L2 13.3V6.7z",
  new: "M7.5 2h5v5.5H18v5h-5.5V18h-5v-5.5H2v-5h5.5z",
  gone: "M3 5.5 5.5 3 10 7.5 14.5 3 17 5.5 12.5 10 17 14.5 14.5 17 10 12.5 5.5 17 3 14.5 7.5 10z",
  unknown: "M10 3.5a6.5 6.5 0 1 0 .01 0z",
  silent: "M3 8.5h14v3H3z",
};

/** @type {Record<Status, string>} */
export const STATUS_WORDS = {
  failing: "failing",
  degraded: "degraded",
  new: "new",
  gone: "gone",
  ok: "ok",
  silent: "silent",
  unknown: "not known",
};

/** The worst first. @type {Status[]} */
export const WORST_FIRST = ["failing", "degraded", "gone", "new", "unknown", "silent", "ok"];

/** @param {Status} a @param {Status} b negative if `a` is worse */
export function compareStatus(a, b) {
  return WORST_FIRST.indexOf(a) - WORST_FIRST.indexOf(b);
}

/** What went wrong comes before what is new. @param {MapEdge} edge @returns {Status} */
export function edgeStatus(edge) {
  return shown(edge.status, edge.change?.state);
}

/** @param {MapNode} node @returns {Status} */
export function nodeStatus(node) {
  return shown(node.status, node.change);
}

/** @param {Status} status @param {import("./types.js").ChangeState | null | undefined} change @returns {Status} */
function shown(status, change) {
  if (change === "gone") return "gone";
  if (status === "failing" || status === "degraded") return status;
  return change === "new" ? "new" : status;
}

/** Connects that were tried. @param {{ opened: number, failed: number }} edge */
export function attempts(edge) {
  return edge.opened + edge.failed;
}

/** Whether what is wrong is that too much is sent again. @param {MapEdge} edge */
export function isLossy(edge) {
  return edgeStatus(edge) === "degraded" && edge.failed === 0 && edge.requests_failed === 0 && edge.queries_failed === 0 && edge.retransmits + edge.dropped > 0;
}

/** Whether hardly any connection was reported by both of its ends. @param {MapEdge} edge */
export function seenFromOneEnd({ evidence }) {
  return evidence.client + evidence.server >= ONE_END_SHARE;
}

/** @type {Record<string, string>} */
const REASON_WORDS = { refused: "refused", timed_out: "timed out", unreachable: "unreachable", reset: "reset", gave_up: "gave up" };

/** How connects failed, the most frequent first: "37 refused", "2 timed out". @param {MapEdge} edge @param {(number: number) => string} [write] short by default */
export function failures(edge, write = count) {
  const known = Object.entries(edge.failures).filter(([, number]) => number > 0);
  const rest = edge.failed - known.reduce((sum, [, number]) => sum + number, 0);
  const words = known
    .sort((a, b) => b[1] - a[1])
    .map(([reason, number]) => `${write(number)} ${REASON_WORDS[reason] ?? reason.replaceAll("_", " ")}`);
  return rest > 0 ? [...words, `${write(rest)} failed`] : words;
}

/** Why packets were dropped: "netfilter FORWARD on node-7". @param {MapEdge["drops"][number]} cause */
export function causeOfDrops({ category, reason, hook, node }) {
  return [category === "other" ? reason : category.replaceAll("_", " "), hook, node ? `on ${node}` : ""].filter(Boolean).join(" ");
}

/** What is wrong or changed, in at most two short lines; nothing for an edge that is well. @param {MapEdge} edge @returns {string[]} */
export function edgeLabel(edge) {
  const status = edgeStatus(edge);
  if (status === "gone") return ["✕ gone"];
  const p99 = Math.max(edge.connect_ns?.p99 ?? 0, edge.request_ns?.p99 ?? 0);
  const slow = p99 >= SLOW_NS ? [`p99 ${duration(p99)}`] : [];
  const mark = status === "failing" ? "✖" : "▲";
  if (status === "failing" || status === "degraded") return [`${mark} ${wrong(edge)}`, ...slow];
  if (status === "new") return ["+ new"];
  return edge.change?.state === "changed" ? changeWords(edge.change) : [];
}

/** Of few requests how many failed, of many which part. @param {MapEdge} edge */
function errors({ requests, requests_failed: failed }) {
  return requests < MANY ? plural(failed, "error") : `${percent(failed, requests)} errors`;
}

/** Where an edge ends, as people write it: "coredns:53/udp". @param {string} name @param {MapEdge} edge */
export function called(name, { port, transport }) {
  return port ? `${name}:${port}${transport === "udp" ? "/udp" : ""}` : name;
}

/** The same of queries of DNS. @param {MapEdge} edge */
function unresolved({ queries, queries_failed: failed }) {
  return queries < MANY ? `DNS ${plural(failed, "error")}` : `DNS ${percent(failed, queries)}`;
}

/** @param {MapEdge} edge */
function wrong(edge) {
  if (edge.requests_failed > 0 && edge.requests_failed >= edge.failed) return errors(edge);
  if (edge.queries_failed > 0 && edge.queries_failed >= edge.failed) return unresolved(edge);
  if (edge.failed > 0) return failures(edge)[0];
  if (edge.broken > 0) return `${count(edge.broken)} broken`;
  if (edge.dropped > edge.retransmits) return `${count(edge.dropped)} dropped`;
  return edge.retransmits > 0 ? `${count(edge.retransmits)} resent` : (edge.reasons[0] ?? "degraded");
}

/** What differs from the other window: "p99 ×3.1", "bytes ×4.2". @param {Change} change @returns {string[]} */
export function changeWords(change) {
  const pairs = /** @type {[string, [number, number]][]} */ ([["p99", change.p99], ["request p99", change.request_p99], ["bytes", change.bytes]]);
  const words = pairs
    .filter(([, [before, now]]) => before > 0 && now > 0)
    .map(([name, [before, now]]) => /** @type {[string, number]} */ ([name, now / before]))
    .filter(([, ratio]) => ratio >= CHANGED_RATIO || ratio <= 1 / CHANGED_RATIO)
    .map(([name, ratio]) => `${name} ×${Number(ratio.toPrecision(2))}`);
  return words.length ? words : [change.what].filter(Boolean);
}

/** One sentence about an edge, for a screen reader and a tooltip. @param {MapEdge} edge @param {string} from @param {string} to */
export function edgeSentence(edge, from, to) {
  const failed = edge.failed ? `, ${failures(edge).join(", ")} of ${plural(attempts(edge), "connect")}` : "";
  const resent = isLossy(edge) && edge.retransmits ? `, ${plural(edge.retransmits, "segment")} sent again` : "";
  const dropped = edge.dropped ? `, ${plural(edge.dropped, "packet")} dropped` : "";
  const asked = edge.queries ? `, ${plural(edge.queries, "query of DNS", "queries of DNS")}${edge.queries_failed ? `, ${percent(edge.queries_failed, edge.queries)} of them failed` : ""}` : "";
  const end = seenFromOneEnd(edge) ? ", seen from one end only" : "";
  return `${from} calls ${to} on port ${edge.port}${edge.transport === "udp" ? " of UDP" : ""}: ${STATUS_WORDS[edgeStatus(edge)]}${failed}${requestWords(edge)}${asked}${resent}${dropped}${end}`;
}

/** How requests went; nothing if there were none. @param {MapEdge} edge */
function requestWords({ requests, requests_failed: failed, request_ns: took }) {
  if (!requests) return "";
  const errors = failed ? `, ${percent(failed, requests)} of them failed` : "";
  return `, ${plural(requests, "request")}${errors}${took ? `, p50 ${duration(took.p50)}, p99 ${duration(took.p99)}` : ""}`;
}
