// @ts-check
/** Questions to the HTTP API, and what went wrong with them. Answers become the page's shapes in `answers.js`. */

import { recall, remember } from "./memory.js";
import { iso, span } from "./words.js";

/** @import { Answer, View } from "./types.js" */

/** Beside the page, whatever the path of the document is. */
export const ROOT = String(new URL("../api/v1/", import.meta.url));
const TOKEN = "token";
/** Nodes of a map. */
export const BUDGET = { budget: 40, fan: 8 };

/** A question that got no answer: `kind` says which state the page shows. */
export class Refused extends Error {
  /**
   * @param {"disconnected" | "forbidden" | "error"} kind
   * @param {string} code
   * @param {string} message
   * @param {string} hint
   */
  constructor(kind, code, message, hint) {
    super(message);
    this.name = "Refused";
    this.kind = kind;
    this.code = code;
    this.hint = hint;
  }
}

/** The token of this tab; it never stands in a link. */
export const token = {
  get: () => recall(TOKEN, "tab"),
  set: (/** @type {string} */ text) => remember(TOKEN, text, "tab"),
};

/** @returns {Record<string, string>} */
export function headers() {
  const secret = token.get();
  return secret ? { Authorization: `Bearer ${secret}` } : {};
}

/**
 * @param {string} path such as `map`
 * @param {URLSearchParams} words
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer<any>>}
 * @throws {Refused} if there is no good answer
 */
export async function ask(path, words, signal) {
  return answered(await reached(`${ROOT}${path}?${words}`, signal ? { signal } : {}));
}

/**
 * Does something.
 * @param {"POST" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>} null: the answer has nothing to say
 * @throws {Refused} if it was not done
 */
export async function tell(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await reached(`${ROOT}${path}`, { method, ...sent });
  return response.status === 204 ? null : answered(response);
}

/** @param {Response} response @returns {Promise<any>} */
async function answered(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null || body.error) throw refusal(response.status, body?.error);
  return body;
}

/**
 * @param {string} address
 * @param {RequestInit} [how]
 */
export async function reached(address, how = {}) {
  try {
    return await fetch(address, { ...how, headers: { ...headers(), ...how.headers }, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused("disconnected", "disconnected", "Tailrace does not answer", "Is it still running? The page tries again by itself.");
  }
}

/**
 * @param {number} status of HTTP
 * @param {{ code?: string, message?: string, hint?: string } | undefined} said
 */
export function refusal(status, said) {
  const code = said?.code ?? String(status);
  const between = status >= 502 && status <= 504 && said === undefined; // a proxy says so, not Tailrace
  const kind = status === 401 ? "forbidden" : between ? "disconnected" : "error";
  return new Refused(kind, code, said?.message ?? `the answer was ${status}`, said?.hint ?? "");
}

/** The words of a map. @param {View} view @param {{ budget: number, fan: number }} size */
export function mapWords(view, { budget, fan }) {
  const words = timeWords(view);
  for (const name of view.select) words.append("select", name);
  words.set("hops", String(view.hops));
  words.set("direction", view.dir);
  words.set("group", view.group);
  if (view.folded) words.set("proxies", "folded");
  words.set("budget", String(budget));
  words.set("fan", String(fan));
  if (view.against !== null) words.set("against", iso(view.against));
  const q = filterWords(view);
  if (q) words.set("q", q);
  return words;
}

/** @param {View} view */
export function filterWords(view) {
  return [view.q, view.errors ? "failed>0" : ""].filter(Boolean).join(" ");
}

/** The window; a live view has the last complete one. @param {View} view */
export function timeWords(view) {
  const words = new URLSearchParams();
  if (view.at !== null) words.set("at", iso(view.at));
  words.set("window", span(view.window_s));
  return words;
}
