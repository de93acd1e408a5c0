// @ts-check
/** Questions by subject, with answers as the page needs them. */

import { ask, filterWords, mapWords, Refused, timeWords } from "./api.js";

/** @import { Answer, EdgeEvent, Endpoints, Found, Id, Instance, MapData, MapEdge, MapNode, Moment, NatChain, Quality, Seconds, Series, View, Where } from "./types.js" */

/** @param {View} view @param {{ budget: number, fan: number }} size @param {AbortSignal} signal @param {Promise<any> | null} begun this very question, if it was asked before @returns {Promise<Answer<MapData>>} */
export async function askMap(view, size, signal, begun) {
  const answer = await (begun ?? ask("map", mapWords(view, size), signal));
  return { ...answer, data: mapOf(answer.data) };
}

/** Ids of the API are numbers; the page has stacks beside them, so that its own are texts. @param {any} data @returns {MapData} */
export function mapOf(data) {
  return {
    ...data,
    selection: data.selection.map(String),
    nodes: data.nodes.map(nodeOf),
    edges: data.edges.map(edgeOf),
  };
}

/** @param {any} node @returns {MapNode} */
function nodeOf(node) {
  const why = node.why && { edge: node.why.edge, path: node.why.path.map(String) };
  return { ...node, id: String(node.id), why, stack: 0, members: [] };
}

/** @param {any} edge @returns {MapEdge} */
function edgeOf(edge) {
  return { ...edge, from: String(edge.from), to: String(edge.to) };
}

/**
 * Traffic and failures over a longer time than the window.
 * @param {View} view
 * @param {Seconds} from
 * @param {Seconds} to
 * @param {AbortSignal} [signal]
 * @returns {Promise<Series>}
 */
export async function askSeries(view, from, to, signal) {
  const words = rangeWords(view, from, to);
  words.set("metrics", "bytes,failed");
  return (await ask("series", words, signal)).data;
}

/** @param {View} view @param {Seconds} from @param {Seconds} to @param {AbortSignal} [signal] @returns {Promise<Moment[]>} */
export async function askMoments(view, from, to, signal) {
  return (await ask("moments", rangeWords(view, from, to), signal)).data.moments;
}

/** None while nobody keeps incidents who could be asked: all else is shown. @param {unknown} error @returns {EdgeEvent[]} */
function noneUnread(error) {
  if (error instanceof Refused && error.code === "incidents_unreadable") return [];
  throw error;
}

/** What happened to edges and is no alarm, as marks; of the selection, if there is one. @param {string[]} select @param {Seconds} from @param {Seconds} to @param {AbortSignal} [signal] @returns {Promise<EdgeEvent[]>} */
export async function askEvents(select, from, to, signal) {
  const words = new URLSearchParams({ from: String(Math.floor(from)), to: String(Math.floor(to)), limit: "500" });
  const asked = ask("events", words, signal).then(({ data }) => /** @type {EdgeEvent[]} */ (data.events));
  const events = await asked.catch(noneUnread);
  return events.filter(({ client, server }) => !select.length || select.includes(client) || select.includes(server));
}

/** @param {View} view @param {Seconds} from @param {Seconds} to */
function rangeWords(view, from, to) {
  const words = new URLSearchParams({ from: String(Math.floor(from)), to: String(Math.floor(to)) });
  for (const name of view.select) words.append("select", name);
  return words;
}

/** @param {View} view @param {string} text @param {AbortSignal} signal @returns {Promise<Found[]>} */
export async function askSearch(view, text, signal) {
  const words = timeWords(view);
  words.set("q", text);
  words.set("limit", "12");
  return (await ask("search", words, signal)).data.found;
}

/** @param {View} view @param {Subject} subject @param {"connects" | "requests" | "drops"} of @param {AbortSignal} signal @returns {Promise<Where>} */
export async function askWhere(view, subject, of, signal) {
  const words = subjectWords(view, subject);
  words.set("of", of);
  return (await ask("where", words, signal)).data;
}

/** Network or application. @param {View} view @param {Subject} subject @param {AbortSignal} signal @returns {Promise<Quality>} */
export async function askQuality(view, subject, signal) {
  return (await ask("quality", subjectWords({ ...view, q: "", errors: false }, subject), signal)).data;
}

/** @param {View} view @param {Subject} subject @param {AbortSignal} signal @returns {Promise<NatChain[]>} */
export async function askNat(view, subject, signal) {
  return (await ask("nat", subjectWords(view, subject), signal)).data.chains;
}

/** What is asked of a workload and what it asks for, or what goes over an edge. @param {View} view @param {Subject} subject @param {"up" | "down" | "both"} direction @param {AbortSignal} signal @returns {Promise<Endpoints>} */
export async function askEndpoints(view, subject, direction, signal) {
  const words = subjectWords({ ...view, errors: false }, subject); // also those without failures
  words.set("direction", direction);
  if (view.folded) words.set("proxies", "folded");
  words.set("by", "protocol,method,route,host,status,grpc_status,via");
  words.set("limit", "500");
  return (await ask("endpoints", words, signal)).data;
}

/** @param {View} view @param {Subject} subject @param {AbortSignal} signal @returns {Promise<{ instances: Instance[], of: number }>} */
export async function askInstances(view, subject, signal) {
  const words = subjectWords({ ...view, q: "", errors: false }, subject); // all of them, also those without failures
  words.set("limit", "12");
  return (await ask("instances", words, signal)).data;
}

/** @typedef {{ edge: Id } | { select: string }} Subject what a question of the panel is about */

/** @param {View} view @param {Subject} subject */
function subjectWords(view, subject) {
  const words = timeWords(view);
  for (const [key, value] of Object.entries(subject)) words.set(key, value);
  const q = filterWords(view);
  if (q) words.set("q", q);
  return words;
}
