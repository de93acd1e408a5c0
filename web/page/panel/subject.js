// @ts-check
/** The panel of a node, an edge, a stack. */

import { button, html } from "../dom.js";
import { attempts, called, causeOfDrops, edgeStatus, failures, nodeStatus, seenFromOneEnd, STATUS_WORDS } from "../status.js";
import { bytes, clock, count, day, duration, often, percent, plural, rate } from "../words.js";
import { changeSentence } from "./overview.js";
import { pathList } from "./paths.js";
import { edgeList, glyph, neighbours, section, wrongWords } from "./sections.js";

/** @import { Context } from "./panel.js" */
/** @import { MapEdge, MapNode } from "../types.js" */

/** @param {MapNode} node @param {Context} context @returns {(Node | null)[]} */
export function nodePanel(node, context) {
  const status = nodeStatus(node);
  const { edges } = context.shown.answer.data;
  const place = [node.kind, node.namespace, ...node.versions, ...node.zones.map((zone) => `zone ${zone}`)].filter(Boolean).join(" · ");
  const at = context.view.select.includes(node.key);
  const fails = status === "failing" || status === "degraded";
  const [quality = null, where = null, ...rest] = context.asked;
  return [
    html("h2", {}, glyph(status), node.name),
    html("p", { class: "dim" }, place),
    node.requests ? html("p", {}, servedWords(node, context.seconds)) : null,
    status === "ok" ? null : html("p", { class: `status ${status}` }, [STATUS_WORDS[status], ...node.reasons].join(": ")),
    html(
      "div",
      { class: "buttons" },
      at ? null : button("Centre here", () => context.centre(node.id, false), { title: "Its neighbourhood (Enter)" }),
      at || !context.view.select.length ? null : button("Add to selection", () => context.centre(node.id, true)),
    ),
    quality,
    fails ? where : null,
    neighbours("Called by", edges.filter(({ to }) => to === node.id), "from", context),
    neighbours("Calls", edges.filter(({ from }) => from === node.id), "to", context),
    fails ? null : where,
    ...rest,
    why(node, context),
    node.last_s ? section("Seen", html("p", {}, `first ${day(node.first_s)} ${clock(node.first_s)}, last ${day(node.last_s)} ${clock(node.last_s)} UTC`)) : null,
  ];
}

/** @param {MapNode} node @param {number} seconds */
function servedWords({ requests, requests_failed: wrong, request_ns: took }, seconds) {
  const times = took ? [`p50 ${duration(took.p50)}`, `p99 ${duration(took.p99)}`] : [];
  return [`serves ${often(requests, seconds).replace("/s", " req/s")}`, wrong ? `${percent(wrong, requests)} errors` : "no errors", ...times].join(" · ");
}

/** The way from the selection. @param {MapNode} node @param {Context} context */
function why(node, { names, view }) {
  if (node.why && node.hop > 0) return section(`Why is ${node.name} here?`, html("p", {}, node.why.path.map((id) => names.get(id) ?? id).join(" – "), html("span", { class: "dim" }, ` (${plural(node.hop, "hop")})`)));
  return view.select.length ? section("Why is it here?", html("p", {}, "It is selected.")) : null;
}

/** @param {MapEdge} edge @param {Context} context @returns {(Node | null)[]} */
export function edgePanel(edge, context) {
  const status = edgeStatus(edge);
  const name = (/** @type {string} */ id) => context.names.get(id) ?? id;
  const [quality = null, where = null, ...others] = context.asked; // the cause comes first
  const [routes, rest] = edge.requests ? [others.slice(0, 1), others.slice(1)] : [[], others];
  return [
    html("h2", {}, glyph(status), `${name(edge.from)} → ${called(name(edge.to), edge)}`),
    html("p", { class: "dim" }, [edge.transport, seenFromOneEnd(edge) ? "seen from one end only" : "seen from both ends"].join(" · ")),
    html("p", { class: `status ${status}` }, [STATUS_WORDS[status], wrongWords(edge)].filter((text, at, all) => at === 0 || text !== all[0]).join(": ")),
    edge.change && edge.change.state !== "same" ? html("p", { class: "status" }, `Changed: ${changeSentence(edge)}`) : null,
    html("div", { class: "buttons" }, button(`Centre on ${name(edge.from)}`, () => context.centre(edge.from, false)), button(`Centre on ${name(edge.to)}`, () => context.centre(edge.to, false))),
    quality,
    where,
    ...routes,
    edge.paths.length ? pathList(edge.paths) : null,
    numbers(edge, context),
    ...rest,
  ];
}

/** @param {MapEdge} edge @param {Context} context */
function numbers(edge, { seconds }) {
  const { change } = edge;
  const [began, answer] = edge.transport === "udp" ? ["flows", "first reply"] : ["connects", "connect"];
  /** @type {[string, string, string][]} what, before, now */
  const lines = [
    [began, change ? count(change.opened[0] + change.failed[0]) : "", count(attempts(edge))],
    ["failed", change ? count(change.failed[0]) : "", edge.failed ? `${failures(edge).join(", ")} (${percent(edge.failed, attempts(edge))})` : "0"],
    [`${answer} p99`, change?.p99[0] ? duration(change.p99[0]) : "", duration(edge.connect_ns?.p99)],
    [`${answer} p50`, "", duration(edge.connect_ns?.p50)],
    ["round trip", "", edge.rtt_ns ? `${duration(edge.rtt_ns.p50)} / ${duration(edge.rtt_ns.p99)}` : "–"],
    ["to server", change ? bytes(change.bytes[0]) : "", `${rate(edge.bytes, seconds)} (${bytes(edge.bytes)})`],
    ["to client", "", `${rate(edge.reply_bytes, seconds)} (${bytes(edge.reply_bytes)})`],
    ...lossLines(edge),
  ];
  lines.unshift(...requestLines(edge, seconds), ...queryLines(edge, seconds));
  const head = change ? ["what", "before", "now"] : ["what", "now"];
  const body = lines.map(([what, before, now]) => html("tr", {}, ...(change ? [what, before, now] : [what, now]).map((text) => html("td", {}, text))));
  return section("In this window", html("table", { class: "rows" }, html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))), html("tbody", {}, ...body)));
}

/** What got lost: of TCP sent again, of UDP not come, or come to a full buffer. @param {MapEdge} edge @returns {[string, string, string][]} what, before, now */
function lossLines({ transport, datagrams, datagrams_lost: lost, datagrams_dropped: dropped, retransmits, sent, change, ...edge }) {
  /** @type {[string, string, string][]} */
  const drops = edge.dropped ? [["dropped", "", plural(edge.dropped, "packet")], ...edge.drops.map((cause) => /** @type {[string, string, string]} */ ([`– ${causeOfDrops(cause)}`, "", count(cause.packets)]))] : [];
  if (transport !== "udp") return [["resent", change ? count(change.retransmits[0]) : "", sent ? `${count(retransmits)} of ${count(sent)} (${percent(retransmits, sent)})` : count(retransmits)], ...drops];
  /** @type {[string, string, string][]} */
  const full = dropped ? [["receive buffer full", "", count(dropped)]] : [];
  return [["lost", "", `${count(lost)} of ${count(datagrams)} datagrams${datagrams ? ` (${percent(lost, datagrams)})` : ""}`], ...full, ...drops];
}

/** @param {MapEdge} edge @param {number} seconds @returns {[string, string, string][]} what, before, now */
function requestLines({ requests, requests_failed: wrong, request_ns: took, change }, seconds) {
  if (!requests && !change?.requests[0]) return [];
  return [
    ["requests", change ? count(change.requests[0]) : "", `${often(requests, seconds)} (${count(requests)})`],
    ["errors", change ? percent(change.requests_failed[0], change.requests[0]) : "", wrong ? `${count(wrong)} (${percent(wrong, requests)})` : "0"],
    ["request p99", change?.request_p99[0] ? duration(change.request_p99[0]) : "", duration(took?.p99)],
    ["request p50", "", duration(took?.p50)],
  ];
}

/** @param {MapEdge} edge @param {number} seconds @returns {[string, string, string][]} what, before, now */
function queryLines({ queries, queries_failed: wrong }, seconds) {
  if (!queries) return [];
  return [
    ["queries of DNS", "", `${often(queries, seconds)} (${count(queries)})`],
    ["failed queries", "", wrong ? `${count(wrong)} (${percent(wrong, queries)})` : "0"],
  ];
}

/** @param {MapNode} node @param {Context} context @returns {(Node | null)[]} */
export function stackPanel(node, context) {
  const members = new Set(node.members);
  const edges = context.shown.answer.data.edges.filter(({ from, to }) => members.has(from) || members.has(to));
  const more = node.stack - node.members.length;
  return [
    html("h2", {}, glyph(node.status), node.name),
    html("p", {}, "They have no other edges here, and nothing is wrong with them."),
    more > 0 ? html("p", { class: "dim" }, `${plural(more, "of them is", "of them are")} beyond what the map asked for: centre on their neighbour, or search.`) : null,
    html("div", { class: "buttons" }, members.size ? button("Show each on the map", () => context.open(node.id)) : null, more > 0 ? button("Ask for more", () => context.more()) : null),
    members.size ? section(`The busiest (${members.size})`, edgeList(edges.slice(0, 40), context, ({ bytes: sent, reply_bytes }) => rate(sent + reply_bytes, context.seconds))) : null,
  ];
}
