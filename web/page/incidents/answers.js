// @ts-check
/** Questions about incidents, and what is done with them. */

import { ask, tell } from "../api.js";

/** @import { IncidentRow, Incidents, Incident, Silence } from "../types.js" */

/** @param {URLSearchParams} words @param {AbortSignal} [signal] @returns {Promise<Incidents>} */
export async function askIncidents(words, signal) {
  return (await ask("incidents", words, signal)).data;
}

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Incident>} */
export async function askIncident(id, signal) {
  return (await ask(`incidents/${encodeURIComponent(id)}`, new URLSearchParams(), signal)).data;
}

/** @param {AbortSignal} [signal] @returns {Promise<Silence[]>} */
export async function askSilences(signal) {
  return (await ask("silences", new URLSearchParams(), signal)).data.silences;
}

/** @param {string} id @param {string} who @returns {Promise<Incident>} */
export async function acknowledge(id, who) {
  return (await tell("POST", `incidents/${encodeURIComponent(id)}/acknowledge`, { who })).data;
}

/** @param {{ where: string, for: string, reason: string, who: string }} asked @returns {Promise<Silence>} */
export async function silence(asked) {
  return (await tell("POST", "silences", asked)).data;
}

/** @param {string} id */
export async function lift(id) {
  await tell("DELETE", `silences/${encodeURIComponent(id)}`);
}

/** A filter that matches this incident and its like. @param {IncidentRow} row */
export function likeIt({ subject, symptom }) {
  const plain = (/** @type {string} */ text) => (/^[\w/.-]+$/.test(text) ? text : `"${text.replaceAll('"', "")}"`);
  return `subject:${plain(subject)} symptom:${plain(symptom)}`;
}
