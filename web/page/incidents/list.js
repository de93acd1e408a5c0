// @ts-check
/** The list of incidents, and silences. */

import { button, byId, html, say, steady } from "../dom.js";
import { glyph } from "../panel/sections.js";
import { plural, span } from "../words.js";
import { askIncidents, askSilences, lift, silence } from "./answers.js";
import { askSilence, reason, refusedBox } from "./dialogs.js";
import { follow, refreshed } from "./live.js";
import { lasting, severityWord, shape, stateWords, time, whereWords } from "./words.js";

/** @import { IncidentRow, Incidents, Seconds, Silence } from "../types.js" */

const form = byId("filters", HTMLFormElement);
const list = byId("list", HTMLElement);
const held = steady(list);
const heldSilences = steady(byId("silences", HTMLElement));

const again = follow(
  async (signal) => {
    const incidents = await askIncidents(wordsOf(form), signal);
    return { incidents, silences: incidents.watched ? await askSilences(signal) : [] };
  },
  {
    show: ({ incidents, silences }) => {
      const now = Math.floor(Date.now() / 1000);
      byId("notice", HTMLElement).replaceChildren();
      say(byId("count", HTMLElement), countWords(incidents));
      held(() => refreshed(list, [incidents.incidents.length ? table(incidents.incidents, now) : nothing(incidents)]));
      heldSilences(() => refreshed(byId("silences", HTMLElement), incidents.watched ? silenceSection(silences, incidents.changeable, now) : []));
      document.title = `${incidents.open ? `(${incidents.open}) ` : ""}Incidents – Tailrace`;
    },
    refused: (error) => byId("notice", HTMLElement).replaceChildren(refusedBox(error, again)),
  },
);

read();
form.addEventListener("change", changed);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed();
});

/** What the link says of the filters. */
function read() {
  const words = new URLSearchParams(location.search);
  for (const name of ["state", "severity", "q"]) {
    const control = form.elements.namedItem(name);
    if (control instanceof HTMLSelectElement || control instanceof HTMLInputElement) control.value = words.get(name) ?? "";
  }
  again();
}

function changed() {
  const words = wordsOf(form).toString();
  history.replaceState(null, "", location.pathname + (words && `?${words}`));
  again();
}

/** @param {HTMLFormElement} filters */
function wordsOf(filters) {
  const words = new URLSearchParams();
  for (const [name, value] of new FormData(filters)) if (value) words.set(name, String(value));
  return words;
}

/** @param {Incidents} incidents */
function countWords({ watched, incidents, of, open }) {
  if (!watched || !of) return "";
  const shown = incidents.length < of ? `, the first ${incidents.length} are shown` : "";
  return `${plural(open, "open incident")}, ${of - open} over${shown}`;
}

/** @param {Incidents} incidents */
function nothing({ watched }) {
  if (!watched) return html("div", { class: "box" }, html("h2", {}, "Nobody looks for incidents here"), html("p", {}, "Set ", html("code", {}, "trouble.enabled: on"), " in the configuration and restart Tailrace."));
  const filtered = wordsOf(form).size > 0;
  return html("div", { class: "box" }, html("h2", {}, filtered ? "No incident matches" : "No incidents"), html("p", {}, filtered ? "Without a filter there may be some." : "Nothing is worse than it was in the last 30 days."));
}

/** @param {IncidentRow[]} rows @param {Seconds} now */
function table(rows, now) {
  const head = ["State", "Whom it hits", "What", "Where", "Since (UTC)", "Lasted", "Edges"].map((text) => html("th", { scope: "col" }, text));
  return html("table", { class: "incidents" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...rows.map((row) => line(row, now))));
}

/** @param {IncidentRow} row @param {Seconds} now */
function line(row, now) {
  const status = shape(row);
  const by = row.acknowledged ? ` by ${row.acknowledged.by}` : "";
  return html(
    "tr",
    { class: row.state },
    html("td", {}, html("div", { class: "state" }, glyph(status), html("span", {}, html("b", { class: status === "ok" ? null : status }, severityWord(row.severity, row.state)), html("span", { class: "dim" }, `${stateWords(row)}${row.state === "open" ? by : ""}`)))),
    html("th", { scope: "row" }, html("a", { href: `incident/${encodeURIComponent(row.id)}` }, row.subject)),
    html("td", {}, row.summary),
    html("td", { class: Object.keys(row.where).length ? null : "dim" }, whereWords(row.where)),
    html("td", { class: "number" }, time(row.since, now), row.no_data_since ? html("span", { class: "degraded" }, ` no data since ${time(row.no_data_since, now)}`) : null),
    html("td", { class: "number" }, lasting((row.ended ?? now) - row.since)),
    html("td", { class: "number" }, String(row.edges)),
  );
}

/** @param {Silence[]} silences @param {boolean} changeable @param {Seconds} now */
function silenceSection(silences, changeable, now) {
  const add = changeable ? button("Silence …", () => askSilence("", (asked) => silence(asked).then(again))) : null;
  return [
    html("h2", {}, "Silences"),
    silences.length ? html("ul", {}, ...silences.map((each) => silenceLine(each, changeable, now))) : html("p", { class: "dim" }, "Nothing is silenced: targets hear of everything."),
    html("div", { class: "buttons" }, add),
  ];
}

/** @param {Silence} each @param {boolean} changeable @param {Seconds} now */
function silenceLine(each, changeable, now) {
  const planned = each.id.startsWith("config-");
  const passed = each.every_s ? Math.max(0, Math.ceil((now - each.until) / each.every_s)) * each.every_s : 0;
  const [from, until] = [each.from + passed, each.until + passed]; // this time, or the next
  const when = `${each.active ? "until" : `from ${time(from, now)} to`} ${time(until, now)} UTC${each.every_s ? `, again every ${span(each.every_s)}` : ""}`;
  const end = button("Lift", () => void lift(each.id).then(again, (error) => byId("notice", HTMLElement).replaceChildren(html("p", { class: "failing", role: "alert" }, reason(error)))), { "aria-label": `Lift the silence of ${each.where}` });
  return html("li", { class: each.active ? null : "dim" }, html("code", {}, each.where), ` ${when}: ${each.reason} (${each.who}) `, changeable && !planned ? end : null);
}
