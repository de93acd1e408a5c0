// @ts-check
/** Parts of the panel that several subjects share: lists of edges, tables, what is asked for when it is looked at. */

import { button, html, svg } from "../dom.js";
import { attempts, called, compareStatus, edgeLabel, edgeStatus, failures, GLYPHS, STATUS_WORDS } from "../status.js";
import { causeLines } from "./cause.js";
import { clock, count, day, duration, exact, often, percent, plural, rate } from "../words.js";

/** @import { By, Id, Instance, MapEdge, NatChain, Seconds, Share, Status, Where } from "../types.js" */

/** @param {Status} status */
export function glyph(status) {
  return svg("svg", { viewBox: "0 0 20 20", class: status, "aria-hidden": "true" }, svg("path", { d: GLYPHS[status], class: "glyph" }));
}

/** @param {string} title @param {(Node | null)[]} content @returns {HTMLElement} */
export function section(title, ...content) {
  return html("section", {}, html("h3", {}, title), ...content);
}

const ROWS = 12;
const ATTRIBUTES = 5;
const VALUES = 3;

/**
 * Neighbours, the worst and busiest first.
 * @param {string} title
 * @param {MapEdge[]} edges
 * @param {"from" | "to"} far
 * @param {{ names: Map<Id, string>, seconds: number, focus: (id: Id) => void }} context
 */
export function neighbours(title, edges, far, { names, seconds, focus }) {
  const sorted = [...edges].sort((a, b) => compareStatus(edgeStatus(a), edgeStatus(b)) || b.failed - a.failed || b.bytes - a.bytes);
  if (!sorted.length) return section(title, html("p", { class: "dim" }, "nobody that is shown"));
  const asks = sorted.some(({ requests }) => requests);
  const head = ["who", "traffic", asks ? "asked" : "tried", "failed", "p99"].map((text) => html("th", { scope: "col" }, text));
  const body = sorted.slice(0, ROWS).map((edge) => {
    const status = edgeStatus(edge);
    const end = names.get(edge[far]) ?? edge[far];
    const name = far === "to" ? called(end, edge) : end;
    return html(
      "tr",
      {},
      html("td", {}, button(name, () => focus(edge.id), { title: `${name}: ${STATUS_WORDS[status]}` })),
      html("td", {}, rate(edge.bytes + edge.reply_bytes, seconds)),
      html("td", {}, edge.requests ? often(edge.requests, seconds) : asks ? "–" : count(attempts(edge))),
      html("td", { class: edge.failed + edge.requests_failed + edge.queries_failed ? status : null }, failedWords(edge)),
      html("td", {}, duration((edge.request_ns ?? edge.connect_ns)?.p99)),
    );
  });
  const rest = sorted.length - body.length;
  return section(
    `${title} (${sorted.length})`,
    html("table", { class: "rows neighbours" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...body)),
    rest > 0 ? html("p", { class: "dim" }, `and ${plural(rest, "more", "more")}: t shows all`) : null,
  );
}

/** Of connects how many, else of requests which part. @param {MapEdge} edge */
function failedWords({ failed, requests_failed: wrong, requests, queries_failed: unresolved, queries }) {
  if (!failed && !wrong && unresolved) return `✖ ${percent(unresolved, queries)}`;
  if (failed) return `✖ ${count(failed)}`;
  return wrong ? `✖ ${percent(wrong, requests)}` : "0";
}

/** Edges as a list to choose from: who calls whom, and what is wrong. @param {MapEdge[]} edges @param {{ names: Map<Id, string>, focus: (id: Id) => void }} context @param {(edge: MapEdge) => string} say */
export function edgeList(edges, { names, focus }, say) {
  const items = edges.map((edge) => {
    const status = edgeStatus(edge);
    const item = button("", () => focus(edge.id));
    item.append(
      glyph(status),
      html("span", {}, `${names.get(edge.from) ?? edge.from} → ${called(names.get(edge.to) ?? edge.to, edge)}`, html("span", { class: `what ${status}` }, say(edge))),
    );
    return html("li", {}, item);
  });
  return html("ul", { class: "list" }, ...items);
}

/** What is wrong with an edge, in one line. @param {MapEdge} edge */
export function wrongWords(edge) {
  const { requests, requests_failed: wrong } = edge;
  if (wrong && wrong >= edge.failed) return `${exact(wrong)} of ${plural(requests, "request")} failed (${percent(wrong, requests)})`;
  const { queries, queries_failed: unresolved } = edge;
  if (unresolved && unresolved >= edge.failed) return `${exact(unresolved)} of ${plural(queries, "query of DNS", "queries of DNS")} failed (${percent(unresolved, queries)})`;
  if (edge.failed) return `${failures(edge, exact).join(", ")} of ${plural(attempts(edge), "connect")} (${percent(edge.failed, attempts(edge))})`;
  return edge.reasons.join(", ") || edgeLabel(edge).join(" · ") || STATUS_WORDS[edgeStatus(edge)];
}

/** How much more the worst value of an attribute fails than all together. @param {By} by */
function suspicion({ values }) {
  return Math.max(...values.map(({ failed, lift }) => (failed ? lift : 0)));
}

/** Some that fail, and one that does not beside them. @param {Share[]} values */
function contrasted(values) {
  const failing = values.filter(({ failed }) => failed > 0).slice(0, VALUES);
  return [...failing, ...values.filter(({ failed }) => !failed).slice(0, 1)];
}

/** Which part fails: the cause in words, then the most suspect values of each attribute. @param {Where} found @param {"connects" | "requests" | "drops"} of */
export function whereItFails({ by, causes, not }, of) {
  const told = by.filter(({ values }) => values.some(({ failed }) => failed > 0)).sort((a, b) => suspicion(b) - suspicion(a));
  if (!told.length) return section("Where it fails", html("p", { class: "dim" }, `${of === "connects" ? "no connect failed in this window" : "there is no more than one of each part"}`));
  const lines = told.slice(0, ATTRIBUTES).flatMap(({ attribute, values }) =>
    contrasted(values).map(({ value, failed, attempts: of, lift }) =>
      html(
        "tr",
        {},
        html("td", { title: `${attribute} ${value}` }, `${attribute.replace(".", " ")} ${value || "–"}`),
        html("td", {}, `${count(failed)} of ${count(of)}`),
        html("td", { class: failed && lift > 1.2 ? "failing" : null }, percent(failed, of)),
      ),
    ),
  );
  const head = ["part", of === "connects" ? "failed" : of === "drops" ? "dropped" : of, "share"].map((text) => html("th", { scope: "col" }, text));
  return section("Where it fails", ...causeLines(causes, not), html("table", { class: "rows where" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...lines)));
}

/** Ways through NAT, the most used first. @param {NatChain[]} chains */
export function natPaths(chains) {
  if (!chains.length) return section("NAT path", html("p", { class: "dim" }, "no rewriting is known: what was called answered"));
  const ways = chains.slice(0, 4).map(({ hops, flows, both_ends, server }) =>
    html(
      "div",
      { class: "way" },
      ...hops.map(({ src, dst, rewritten_by, service }, at) =>
        at
          ? html("span", { class: "step" }, `↳ rewritten by ${rewritten_by || "one of the nodes that report"} → `, html("b", {}, dst), service ? html("span", { class: "dim" }, ` ${service}`) : null)
          : html("span", {}, `${src || "caller"} → `, html("b", {}, dst), service ? html("span", { class: "dim" }, ` ${service}`) : null),
      ),
      html("span", { class: "step dim" }, `${plural(flows, "connection")} to ${server}, ${both_ends === flows ? "all" : percent(both_ends, flows)} seen from both ends`),
    ),
  );
  return section("NAT path", ...ways);
}

/** Pods, containers, processes: where each runs, of which image, and since when. @param {{ instances: Instance[], of: number }} found */
export function instanceList({ instances, of }) {
  if (!of) return section("Instances", html("p", { class: "dim" }, "none is known: it is a process or an address itself, or nobody reports from there"));
  const lines = instances.map((one) => {
    const name = one.pod || one.container || one.process || one.address || "not named";
    const what = [one.process === name ? "" : one.process, one.image, one.zone && `zone ${one.zone}`].filter(Boolean).join(" · ");
    return html("li", {}, html("b", {}, name), one.node ? ` on ${one.node}` : "", html("span", { class: "what dim" }, what), html("span", { class: "what dim" }, spanWords(one.first_s, one.last_s)));
  });
  const rest = of - instances.length;
  return section(`Instances (${of.toLocaleString("en")})`, html("ul", { class: "instances" }, ...lines), rest > 0 ? html("p", { class: "dim" }, `and ${plural(rest, "more", "more")}`) : null);
}

/** @param {Seconds} first @param {Seconds} last */
function spanWords(first, last) {
  const begin = `${day(first)} ${clock(first)}`;
  return `seen ${begin} to ${day(last) === day(first) ? "" : `${day(last)} `}${clock(last)} UTC`;
}
