// @ts-check
/** The page of one incident: what, since when, where it lives and where not, whom it hits, what happened when. */

import { button, byId, html, steady } from "../dom.js";
import { recall } from "../memory.js";
import { causeWords, notWords } from "../panel/cause.js";
import { glyph, section } from "../panel/sections.js";
import { exact, percent, plural } from "../words.js";
import { acknowledge, askIncident, askIncidents, likeIt, silence } from "./answers.js";
import { askSilence, askWho, reason, refusedBox } from "./dialogs.js";
import { follow, refreshed } from "./live.js";
import { lasting, mapLink, severityWord, shape, stateWords, time, whereWords } from "./words.js";

/** @import { Incident, IncidentCause, IncidentRow, Seconds } from "../types.js" */

/** Edges that are listed. */
const EDGES = 100;
/** @type {Record<string, string>} */
const DONE = { open: "opened", update: "changed", resolve: "over", acknowledge: "acknowledged" };
const id = decodeURIComponent(location.pathname.split("/").at(-1) ?? "");
const root = byId("incident", HTMLElement);
const held = steady(root);

const again = follow(
  async (signal) => {
    const [incident, { changeable }] = await Promise.all([askIncident(id, signal), askIncidents(new URLSearchParams({ limit: "0" }), signal)]);
    return { incident, changeable };
  },
  {
    show: ({ incident, changeable }) => {
      byId("notice", HTMLElement).replaceChildren();
      held(() => refreshed(root, content(incident, changeable, Math.floor(Date.now() / 1000))));
      document.title = `${incident.incident.subject}: ${stateWords(incident.incident)} – Tailrace`;
    },
    refused: (error) => byId("notice", HTMLElement).replaceChildren(refusedBox(error, again)),
  },
);

/** @param {Incident} whole @param {boolean} changeable @param {Seconds} now */
function content(whole, changeable, now) {
  const row = whole.incident;
  return [
    html("h2", { class: "title" }, glyph(shape(row)), html("span", {}, row.subject, html("span", { class: "what" }, row.summary))),
    html("p", { class: `state ${row.state === "open" ? shape(row) : "dim"}` }, stateLine(row, now)),
    ...notes(row, now),
    buttons(row, changeable, now),
    causes(whole),
    edges(whole, now),
    timeline(whole, now),
    section("As targets were told", html("pre", {}, whole.text)),
  ];
}

/** @param {IncidentRow} row @param {Seconds} now */
function stateLine(row, now) {
  const severity = severityWord(row.severity, row.state);
  const words = `${severity}, ${stateWords(row)}`;
  if (row.ended === null) return `${severity}, open since ${time(row.since, now)} UTC, for ${lasting(now - row.since)}`;
  return `${words}: from ${time(row.since, now)} to ${time(row.ended, now)} UTC, ${lasting(row.ended - row.since)}`;
}

/** Lines on what people and data did with it. @param {IncidentRow} row @param {Seconds} now */
function notes(row, now) {
  const { acknowledged: seen, silenced_by: silent, no_data_since: blind, merged_into: other } = row;
  return [
    seen ? html("p", {}, `Acknowledged by ${seen.by} at ${time(seen.at, now)} UTC.`) : null,
    silent ? html("p", {}, `Silenced (${silent}): nobody is told of it.`) : null,
    blind ? html("p", { class: "degraded" }, `▲ No data since ${time(blind, now)} UTC: it stays open until there is.`) : null,
    other ? html("p", {}, "It turned out to be a part of ", html("a", { href: encodeURIComponent(other) }, other), ".") : null,
  ];
}

/** @param {IncidentRow} row @param {boolean} changeable @param {Seconds} now */
function buttons(row, changeable, now) {
  const open = row.state === "open";
  const seen = (/** @type {string} */ who) => acknowledge(row.id, who).then(again);
  const known = recall("who");
  const act = () => (known ? void seen(known).catch(failed) : askWho(seen));
  return html(
    "div",
    { class: "buttons" },
    html("a", { class: "button", href: mapLink(row, now) }, "Map of when it began"),
    open && changeable && !row.acknowledged ? button(known ? `Acknowledge as ${known}` : "Acknowledge …", act) : null,
    open && changeable ? button("Silence …", () => askSilence(likeIt(row), (asked) => silence(asked).then(again))) : null,
  );
}

/** @param {unknown} error */
function failed(error) {
  byId("notice", HTMLElement).replaceChildren(html("p", { class: "failing", role: "alert" }, reason(error)));
}

/** @param {Incident} whole */
function causes({ causes: found, not, incident, just_before: before }) {
  const other = not.length ? html("p", {}, html("b", {}, "Not it: "), `${notWords(not)}.`) : null;
  if (!found.length) return section("Where it lives", html("p", {}, Object.keys(incident.where).length ? `${whereWords(incident.where)}.` : "Nothing separates the bad from the healthy."), other);
  const began = before.length ? html("p", {}, `Began ${before.join("; ")}.`) : null;
  return section("Where it lives", html("ol", { class: "causes" }, ...found.map(causeLine)), began, other);
}

/** @param {IncidentCause} cause */
function causeLine(cause) {
  const names = cause.also_known_as.map((where) => whereWords(where).replace(/^only /, ""));
  return html(
    "li",
    {},
    html("b", {}, `${causeWords({ ...cause, began: null, before: [] })}.`),
    ` ${exact(cause.bad)} of ${exact(cause.total)} (${percent(cause.bad, cause.total)}).`,
    names.length ? html("span", { class: "dim" }, ` The same traffic: ${names.join("; ")}.`) : null,
  );
}

/** @param {Incident} whole @param {Seconds} now */
function edges({ edges: hit, incident }, now) {
  const lines = hit.slice(0, EDGES).map((edge) => html("li", {}, html("a", { href: mapLink(incident, now, edge), title: "On the map, when it began" }, edge.replace(">", " → "))));
  const rest = incident.edges - lines.length;
  return section(`Edges hit (${exact(incident.edges)})`, html("ul", { class: "hit" }, ...lines), rest > 0 ? html("p", { class: "dim" }, `and ${plural(rest, "more", "more")}`) : null);
}

/** @param {Incident} whole @param {Seconds} now */
function timeline({ timeline: entries, left_out }, now) {
  const lines = entries.map(({ at, what, text, who, silenced_by }) =>
    html("li", {}, html("time", { datetime: new Date(at * 1000).toISOString() }, time(at, now)), html("b", {}, DONE[what] ?? what), html("span", {}, who ? `by ${who}` : text, silenced_by ? html("span", { class: "dim" }, ` (silenced by ${silenced_by}: nobody was told)`) : null)),
  );
  return section("What happened (UTC)", html("ol", { class: "timeline" }, ...lines), left_out ? html("p", { class: "dim" }, `${plural(left_out, "line")} of the middle were let go.`) : null);
}
