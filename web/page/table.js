// @ts-check
/** The rows of the map as a table: what a screen reader gets, and small screens first. */

import { button, byId, html, put, say, steady, svg } from "./dom.js";
import { attempts, called, compareStatus, edgeStatus, failures, GLYPHS, seenFromOneEnd, STATUS_WORDS } from "./status.js";
import { count, duration, often, percent, plural, rate } from "./words.js";

/** @import { Shown } from "./shown.js" */
/** @import { Id, MapEdge } from "./types.js" */

/**
 * @typedef {object} Row
 * @property {MapEdge} edge
 * @property {string} from
 * @property {string} to
 */

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {boolean} [wide] left out on small screens
 * @property {boolean} [names] of which the first of the alphabet comes first
 * @property {boolean} [compared] left out while nothing is compared
 * @property {(row: Row, seconds: number) => string} text
 * @property {(a: Row, b: Row) => number} compare the first comes first
 */

/** @param {(edge: MapEdge) => number} value @returns {(a: Row, b: Row) => number} */
const most = (value) => (a, b) => value(b.edge) - value(a.edge);

/** Connects, requests and queries that failed. @param {Row} row */
const wrongOf = ({ edge }) => edge.failed + edge.requests_failed + edge.queries_failed;

/** How connects failed, and which part of queries of DNS. @param {MapEdge} edge */
function failedText(edge) {
  const words = edge.failed ? failures(edge) : [];
  return [...words, ...(edge.queries_failed ? [`${percent(edge.queries_failed, edge.queries)} of DNS`] : [])].join(", ") || "0";
}

/** @type {Column[]} */
export const COLUMNS = [
  { title: "status", text: ({ edge }) => STATUS_WORDS[edgeStatus(edge)], compare: (a, b) => compareStatus(edgeStatus(a.edge), edgeStatus(b.edge)) || wrongOf(b) - wrongOf(a) || b.edge.bytes - a.edge.bytes },
  { title: "caller", names: true, text: ({ from }) => from, compare: (a, b) => a.from.localeCompare(b.from) },
  { title: "called", names: true, text: ({ to, edge }) => called(to, edge), compare: (a, b) => a.to.localeCompare(b.to) || a.edge.port - b.edge.port },
  { title: "failed", text: ({ edge }) => failedText(edge), compare: most(({ failed, queries_failed: unresolved }) => failed + unresolved) },
  { title: "connects", wide: true, text: ({ edge }) => count(attempts(edge)), compare: most(attempts) },
  { title: "dropped", wide: true, text: ({ edge }) => count(edge.dropped), compare: most(({ dropped }) => dropped) },
  { title: "resent", wide: true, text: ({ edge }) => count(edge.retransmits), compare: most(({ retransmits }) => retransmits) },
  { title: "connect p99", wide: true, text: ({ edge }) => duration(edge.connect_ns?.p99), compare: most(({ connect_ns }) => connect_ns?.p99 ?? -1) },
  { title: "requests", wide: true, text: ({ edge }, seconds) => (edge.requests ? often(edge.requests, seconds) : "–"), compare: most(({ requests }) => requests) },
  { title: "errors", wide: true, text: ({ edge }) => percent(edge.requests_failed, edge.requests), compare: most((edge) => (edge.requests ? edge.requests_failed / edge.requests : -1)) },
  { title: "request p99", wide: true, text: ({ edge }) => duration(edge.request_ns?.p99), compare: most(({ request_ns }) => request_ns?.p99 ?? -1) },
  { title: "DNS", wide: true, text: ({ edge }, seconds) => (edge.queries ? often(edge.queries, seconds) : "–"), compare: most(({ queries }) => queries) },
  { title: "DNS errors", wide: true, text: ({ edge }) => percent(edge.queries_failed, edge.queries), compare: most((edge) => (edge.queries ? edge.queries_failed / edge.queries : -1)) },
  { title: "round trip p99", wide: true, text: ({ edge }) => duration(edge.rtt_ns?.p99), compare: most(({ rtt_ns }) => rtt_ns?.p99 ?? -1) },
  { title: "to server", wide: true, text: ({ edge }, seconds) => rate(edge.bytes, seconds), compare: most(({ bytes }) => bytes) },
  { title: "to client", wide: true, text: ({ edge }, seconds) => rate(edge.reply_bytes, seconds), compare: most(({ reply_bytes }) => reply_bytes) },
  { title: "seen from", wide: true, text: ({ edge }) => (seenFromOneEnd(edge) ? "one end" : "both ends"), compare: most((edge) => Number(seenFromOneEnd(edge))) },
  { title: "change", wide: true, compared: true, text: ({ edge }) => edge.change?.what || edge.change?.state || "", compare: most(({ change }) => change?.score ?? -1) },
];

/** Rows of the map's edges, the worst first; ties stay in the order of names. @param {Shown} shown @param {number} column @param {boolean} turned @returns {Row[]} */
export function rows({ answer: { data } }, column, turned) {
  const names = new Map(data.nodes.map((node) => [node.id, node.key]));
  const all = data.edges.map((edge) => ({ edge, from: names.get(edge.from) ?? edge.from, to: names.get(edge.to) ?? edge.to }));
  const { compare } = COLUMNS[column];
  const sign = turned ? -1 : 1;
  return all.sort((a, b) => sign * compare(a, b) || a.from.localeCompare(b.from) || a.to.localeCompare(b.to) || a.edge.port - b.edge.port);
}

/**
 * @param {{ focus: (id: Id) => void }} act
 * @returns {(shown: Shown, focus: string | null, visible: boolean) => void}
 */
export function table(act) {
  const root = byId("table", HTMLElement);
  const caption = html("caption");
  const head = html("tr");
  const body = html("tbody");
  const quiet = steady(body);
  let sorted = 0;
  let turned = false;
  /** @type {[Shown, string | null, boolean] | null} */
  let last = null;
  root.append(html("table", {}, caption, html("thead", {}, head), body));
  COLUMNS.forEach(({ title, ...column }, at) => {
    const sort = button(title, () => {
      turned = sorted === at && !turned;
      sorted = at;
      if (last) render(...last);
    });
    head.append(html("th", { scope: "col", class: classes(column) }, sort));
  });
  body.addEventListener("click", ({ target }) => choose(target));
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") choose(event.target);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") stepRow(event.target, event.key === "ArrowDown");
    else return;
    event.preventDefault();
  });
  const choose = (/** @type {EventTarget | null} */ target) => {
    const id = target instanceof Element && target.closest("tr")?.getAttribute("data-id");
    if (id) act.focus(id);
  };
  /** @param {Shown} shown @param {string | null} focus @param {boolean} visible */
  function render(shown, focus, visible) {
    last = [shown, focus, visible];
    const { data, window } = shown.answer;
    const list = rows(shown, sorted, turned);
    root.classList.toggle("alone", !data.edges.some(({ change }) => change));
    say(caption, `${plural(list.length, "edge")} between ${data.shown.toLocaleString("en")} of ${data.of.toLocaleString("en")} workloads`);
    [...head.children].forEach((cell, at) => {
      put(cell, { "aria-sort": at === sorted ? (turned === Boolean(COLUMNS[at].names) ? "descending" : "ascending") : null });
      put(/** @type {Element} */ (cell.firstElementChild), { tabindex: visible ? null : -1 });
    });
    quiet(() => {
      const held = document.activeElement?.closest("#table tr")?.getAttribute("data-id");
      body.replaceChildren(...list.map((row, at) => tableRow(row, window.to - window.from, focus, visible && at === 0)));
      if (held) /** @type {HTMLElement | null} */ (body.querySelector(`tr[data-id="${CSS.escape(held)}"]`))?.focus({ preventScroll: true });
    });
  }
  return render;
}

/** @param {Row} row @param {number} seconds @param {string | null} focus @param {boolean} first */
function tableRow(row, seconds, focus, first) {
  const status = edgeStatus(row.edge);
  const glyph = svg("svg", { viewBox: "0 0 20 20", class: status, "aria-hidden": "true" }, svg("path", { d: GLYPHS[status], class: "glyph" }));
  const cells = COLUMNS.map(({ text, ...column }, at) => {
    const words = text(row, seconds);
    if (at === 1) return html("th", { scope: "row" }, ...breakable(words));
    const tone = (at === 0 && status !== "ok") || (at === 3 && row.edge.failed) ? status : null;
    return html("td", { class: classes(column, tone) }, at === 0 ? glyph : null, ...(at === 0 ? [html("span", { class: "word" }, words)] : at === 2 ? breakable(words) : [words]));
  });
  return html("tr", { "data-id": row.edge.id, tabindex: first ? 0 : -1, "aria-selected": row.edge.id === focus }, ...cells);
}

/** @param {{ wide?: boolean, compared?: boolean }} column @param {string | null} [tone] */
function classes({ wide, compared }, tone) {
  return [tone, wide && "wide", compared && "compared"].filter(Boolean).join(" ") || null;
}

/** A key may break after its namespace, and before its port. @param {string} words */
function breakable(words) {
  return words.split(/(?<=\/)|(?=:\d+$)/).flatMap((part, at) => (at ? [html("wbr"), part] : [part]));
}

/** @param {EventTarget | null} target @param {boolean} down */
function stepRow(target, down) {
  const row = target instanceof Element ? target.closest("tr") : null;
  const to = down ? row?.nextElementSibling : row?.previousElementSibling;
  if (to instanceof HTMLElement) to.focus();
}
