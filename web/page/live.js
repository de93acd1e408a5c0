// @ts-check
/** The present: server-sent events read by `fetch`, for `EventSource` cannot carry a token. */

import { mapWords, reached, refusal, ROOT } from "./api.js";
import { mapOf } from "./answers.js";

/** @import { Answer, MapData, View } from "./types.js" */

/** Waits between tries, in milliseconds; the last one stays. */
const WAITS_MS = [500, 1000, 2000, 5000];
/** A stream without a word for so long is given up. */
const SILENT_MS = 15_000;

/** @typedef {{ event: string, data: string }} Event */

/** Takes events out of text as it comes. @returns {(text: string) => Event[]} */
export function eventReader() {
  let rest = "";
  return (text) => {
    const parts = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
    rest = parts.pop() ?? "";
    return parts.map(parsed).filter(({ data }) => data !== "");
  };
}

/** @param {string} block @returns {Event} */
function parsed(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  return { event, data: data.join("\n") };
}

/**
 * @typedef {object} Live
 * @property {() => void} stop
 */

/**
 * Follows the present until it is stopped; a stream that breaks is opened again.
 * @param {View} view
 * @param {{ budget: number, fan: number }} size
 * @param {{ map: (answer: Answer<MapData>) => void, refused: (error: unknown) => void }} on
 * @returns {Live}
 */
export function follow(view, size, on) {
  const stop = new AbortController();
  const run = async () => {
    for (let tries = 0; !stop.signal.aborted; tries += 1) {
      try {
        await listen(`${ROOT}stream?${mapWords(view, size)}&deltas=1`, stop.signal, (answer) => {
          tries = 0;
          on.map({ ...answer, data: mapOf(answer.data) });
        });
      } catch (error) {
        if (!stop.signal.aborted) on.refused(error);
      }
      await pause(WAITS_MS[Math.min(tries, WAITS_MS.length - 1)], stop.signal);
    }
  };
  void run();
  return { stop: () => stop.abort() };
}

/**
 * @param {string} address
 * @param {AbortSignal} signal
 * @param {(answer: any) => void} take
 */
async function listen(address, signal, take) {
  const silent = new AbortController();
  const response = await reached(address, { signal: AbortSignal.any([signal, silent.signal]) });
  if (!response.ok || !response.body) throw refusal(response.status, (await response.json().catch(() => null))?.error);
  const read = eventReader();
  /** @type {any} */
  let last = null;
  const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let timer = setTimeout(() => silent.abort(), SILENT_MS);
  try {
    for (;;) {
      const { done, value } = await chunks.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENT_MS);
      for (const { event, data } of read(value)) {
        const body = JSON.parse(data);
        if (event === "error") throw refusal(500, body.error);
        if (event === "map") last = body;
        else if (event === "delta" && last) last = { ...body, data: merged(last.data, body.data) };
        else continue;
        take(last);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The next map: what the delta has, and of the last what it does not name. The order stays.
 * @param {any} before
 * @param {any} delta
 */
export function merged(before, delta) {
  const next = (/** @type {"nodes" | "edges"} */ kind) => {
    const changed = new Map(delta[kind].map((/** @type {any} */ one) => [one.id, one]));
    const gone = new Set(delta.gone[kind]);
    const kept = before[kind].filter((/** @type {any} */ one) => !gone.has(one.id)).map((/** @type {any} */ one) => changed.get(one.id) ?? one);
    const known = new Set(before[kind].map((/** @type {any} */ one) => one.id));
    return [...kept, ...delta[kind].filter((/** @type {any} */ one) => !known.has(one.id))];
  };
  const { gone: _, ...rest } = delta;
  return { ...before, ...rest, nodes: next("nodes"), edges: next("edges") };
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
