// @ts-check
/** Incidents in words, and the map of the time in which one was. */

import { DEFAULT_VIEW, write } from "../permalink.js";
import { clock, day, plural } from "../words.js";

/** @import { IncidentRow, Seconds, Severity, Status } from "../types.js" */

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const MAP = new URL("../../map", import.meta.url);

/** Shapes as on the map: what hurts is an octagon, what only warns a triangle, what is over a ring. @param {IncidentRow} row @returns {Status} */
export function shape({ state, severity }) {
  if (state !== "open") return "ok";
  return severity === "critical" || severity === "error" ? "failing" : "degraded";
}

/** @param {IncidentRow} row */
export function stateWords({ state, acknowledged, silenced_by, merged_into }) {
  if (state !== "open") return merged_into ? "part of another" : "over";
  return ["open", acknowledged ? "acknowledged" : "", silenced_by ? "silenced" : ""].filter(Boolean).join(", ");
}

/** @param {Severity} severity @param {IncidentRow["state"]} state */
export function severityWord(severity, state) {
  return state === "open" ? severity : `was ${severity}`;
}

/** As long as a person would say: 40 s, 12 min, 3 h 5 min, 2 d. @param {Seconds} seconds */
export function lasting(seconds) {
  if (seconds < 2 * MINUTE_S) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < HOUR_S) return `${Math.round(seconds / MINUTE_S)} min`;
  if (seconds >= DAY_S) return plural(Math.round(seconds / DAY_S), "day");
  const minutes = Math.round((seconds % HOUR_S) / MINUTE_S);
  return `${Math.floor(seconds / HOUR_S)} h${minutes ? ` ${minutes} min` : ""}`;
}

/** With the day, unless it is today's. @param {Seconds} at @param {Seconds} now */
export function time(at, now) {
  return day(at) === day(now) ? clock(at) : `${day(at)} ${clock(at)}`;
}

/** @param {Record<string, string>} where */
export function whereWords(where) {
  const words = Object.entries(where).map(([name, value]) => `${name.replace(".", " ")} ${value}`);
  return words.length ? `only ${words.join(" and ")}` : "nothing separates";
}

/**
 * The map when it went wrong: from its first minute on, an hour at most, with whom it hits selected, compared with the time before.
 * @param {IncidentRow} row
 * @param {Seconds} now
 * @param {string | null} [focus] an edge
 */
export function mapLink({ subject, since, ended }, now, focus = null) {
  const from = Math.floor(since / MINUTE_S) * MINUTE_S;
  const end = Math.ceil((ended ?? now) / MINUTE_S) * MINUTE_S;
  const length = Math.min(Math.max(end - from, 5 * MINUTE_S), HOUR_S);
  const to = Math.min(from + length, Math.floor(now / MINUTE_S) * MINUTE_S);
  const window_s = Math.max(to - from, MINUTE_S);
  return `${MAP}${write({ ...DEFAULT_VIEW, select: [subject], hops: 1, at: from + window_s, window_s, against: from, focus: focus ?? subject })}`;
}
