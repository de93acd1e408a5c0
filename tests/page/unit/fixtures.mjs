// @ts-check
/** Answers as the API gives them: `tests/page/answers.py` writes them before the tests run. */

import { readFileSync } from "node:fs";
import { mapOf } from "../../../web/page/answers.js";

/** @import { Answer, MapData, MapEdge, MapNode } from "../../../web/page/types.js" */

const folder = process.env["ANSWERS"] ?? "";

/** @param {"boutique" | "compared" | "requested" | "fan_out" | "huge"} name @returns {Answer<MapData>} */
export function answer(name) {
  const body = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
  return { ...body, data: mapOf(body.data) };
}

/** The same answer with other data. @param {Answer<MapData>} before @param {Partial<MapData>} data @returns {Answer<MapData>} */
export function changed(before, data) {
  return { ...before, data: { ...before.data, ...data } };
}

/** @param {MapNode} like @param {string} name @returns {MapNode} */
export function node(like, name) {
  return { ...like, id: name, key: `new/${name}`, name, status: "ok", reasons: [], change: null };
}

/** @param {MapEdge} like @param {string} from @param {string} to @returns {MapEdge} */
export function edge(like, from, to) {
  return { ...like, id: `${from}>${to}:1`, from, to, status: "ok", reasons: [], failed: 0, failures: {}, change: null };
}

/** A company of so many services, each of which is called by some: the same each time. @param {number} services @param {number} calls */
export function company(services, calls) {
  let seed = 7;
  const chance = () => (seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
  const ids = Array.from({ length: services }, (_, at) => `s${at}`);
  const edges = Array.from({ length: calls }, () => {
    const from = Math.floor(chance() * services * 0.8);
    const to = Math.min(services - 1, from + 1 + Math.floor(chance() ** 2 * services * 0.5));
    return { from: ids[from], to: ids[to] };
  });
  return { ids, edges };
}
