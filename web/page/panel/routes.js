// @ts-check
/** What workloads ask each other for: a table by method, endpoint and code, sorted by whatever its head is asked. */

import { button, html, put } from "../dom.js";
import { duration, often, percent, plural } from "../words.js";
import { section } from "./sections.js";

/** @import { Endpoint, Endpoints } from "../types.js" */

/** Rows that are shown; the others are a click away. */
const ROWS = 12;
/** From here on a code is the server's failure. */
const SERVER_ERRORS = 500;

/** @typedef {{ title: string, name: string, text: (row: Endpoint) => string, compare: (a: Endpoint, b: Endpoint) => number }} Column */

/** How long it took, as the client saw it, else the server. @param {Endpoint} row */
const took = ({ client_ns, server_ns }) => client_ns ?? server_ns;

/** Without the space before its unit: there are seven columns. @param {string} words */
const short = (words) => words.replace(/\s(?=\S+$)/, "");

/** From 10 ms on whole ones: it is known within 25 %. @param {number | undefined} nanoseconds */
const brief = (nanoseconds) => short(duration(nanoseconds && nanoseconds >= 1e7 && nanoseconds < 1e9 ? Math.round(nanoseconds / 1e6) * 1e6 : nanoseconds));

/** @param {Endpoint} row */
const share = ({ failed, requests }) => (requests ? failed / requests : 0);

/** @type {Column[]} the first of the alphabet, else the largest, comes first */
const COLUMNS = [
  { title: "Method", name: "method", text: ({ method }) => method || "–", compare: (a, b) => a.method.localeCompare(b.method) },
  { title: "Endpoint", name: "endpoint", text: endpoint, compare: (a, b) => endpoint(a).localeCompare(endpoint(b)) },
  { title: "Code", name: "code", text: code, compare: (a, b) => b.status - a.status || (b.grpc_status ?? -1) - (a.grpc_status ?? -1) },
  { title: "rate", name: "rate", text: (row) => often(row.rate, 1), compare: (a, b) => b.rate - a.rate },
  { title: "errors", name: "errors", text: (row) => (row.failed ? short(percent(row.failed, row.requests)) : "0"), compare: (a, b) => share(b) - share(a) || b.failed - a.failed },
  { title: "p50", name: "p50", text: (row) => brief(took(row)?.p50), compare: (a, b) => (took(b)?.p50 ?? -1) - (took(a)?.p50 ?? -1) },
  { title: "p99", name: "p99", text: (row) => brief(took(row)?.p99), compare: (a, b) => (took(b)?.p99 ?? -1) - (took(a)?.p99 ?? -1) },
];
const ERRORS = 4;

/** What all tables are sorted by: it stays while one looks around. */
const order = { column: ERRORS, turned: false };

/** @param {Endpoint} row */
function endpoint({ host, route, via }) {
  return `${host}${route || "not known"}${via ? ` via ${via}` : ""}`;
}

/** @param {Endpoint} row */
function code({ status, grpc_status: grpc }) {
  return grpc === null ? (status ? String(status) : "none") : `gRPC ${grpc}`;
}

/** @param {string} title @param {Endpoints} found @returns {HTMLElement | null} nothing if there are none */
export function routes(title, { endpoints, of }) {
  if (!of) return null;
  const body = html("tbody");
  const more = html("p", { class: "dim" });
  let shown = ROWS;
  const head = COLUMNS.map(({ title: words }, at) => {
    const sort = button(words, () => {
      order.turned = order.column === at && !order.turned;
      order.column = at;
      fill();
    });
    return html("th", { scope: "col" }, sort);
  });
  const all = button("show all", () => {
    shown = endpoints.length;
    fill();
  });
  function fill() {
    const sign = order.turned ? -1 : 1;
    const { compare } = COLUMNS[order.column];
    const sorted = [...endpoints].sort((a, b) => sign * compare(a, b) || b.requests - a.requests);
    body.replaceChildren(...sorted.slice(0, shown).map(line));
    head.forEach((cell, at) => put(cell, { "aria-sort": at === order.column ? (order.turned === at < 2 ? "descending" : "ascending") : null }));
    const rest = of - Math.min(shown, endpoints.length);
    more.replaceChildren(...(rest > 0 ? [`and ${plural(rest, "more", "more")} `, ...(shown < endpoints.length ? [all] : [])] : []));
  }
  fill();
  return section(`${title} (${of.toLocaleString("en")})`, html("table", { class: "rows routes" }, html("thead", {}, html("tr", {}, ...head)), body), more);
}

/** @param {Endpoint} row */
function line(row) {
  const tone = row.failed ? "failing" : null;
  const tones = { code: row.status >= SERVER_ERRORS || row.failed ? tone : null, errors: tone };
  return html("tr", {}, ...COLUMNS.map(({ name, text }) => html("td", { class: tones[/** @type {"code" | "errors"} */ (name)] ?? null, title: name === "endpoint" ? text(row) : null }, ...(name === "endpoint" ? breakable(text(row)) : [text(row)]))));
}

/** A path may break before its slashes. @param {string} words */
function breakable(words) {
  return words.split(/(?=\/)/).flatMap((part, at) => (at ? [html("wbr"), part] : [part]));
}
