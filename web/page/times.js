// @ts-check
/** What the time bar shows: its range, traffic and failures, marks; asked again now and then while live. */

import { askEvents, askMoments, askSeries } from "./answers.js";
import { range as rangeOf } from "./timebar/scale.js";

/** @import { Moment, Seconds, Series, View } from "./types.js" */
/** @import { Range } from "./timebar/scale.js" */

const EVERY_MS = 10_000;

/**
 * @typedef {object} Times
 * @property {(view: View) => Range} range
 * @property {() => { series: Series | null, moments: Moment[] }} known
 * @property {() => Seconds | null} begins the first second of the range that is known; null: all of it is
 * @property {(view: View) => Promise<void>} ask at once
 * @property {(view: View) => Promise<void>} refresh if it was not asked lately
 */

/**
 * @param {{ now: () => Seconds, length: () => number, changed: () => void }} page `length` in seconds
 * @returns {Times}
 */
export function times({ now, length, changed }) {
  /** @type {Range | null} */
  let range = null;
  /** @type {{ series: Series | null, moments: Moment[] }} */
  let known = { series: null, moments: [] };
  let asked = -Infinity;
  let asking = new AbortController();
  const shown = (/** @type {View} */ view) => (range = rangeOf(view, now(), length(), range));
  const ask = async (/** @type {View} */ view) => {
    asked = performance.now();
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const { from, to } = shown(view);
    const [series, moments] = await Promise.allSettled([askSeries(view, from, to, signal), marks(view, from, to, signal)]);
    if (signal.aborted) return;
    // What could not be had stays as it was: the map says why, for it asks the same server.
    known = { series: series.status === "fulfilled" ? series.value : known.series, moments: moments.status === "fulfilled" ? moments.value : known.moments };
    changed();
  };
  return {
    range: shown,
    known: () => known,
    begins() {
      const { begins_s = [], columns } = known.series ?? {};
      const at = columns?.bytes?.findIndex((value) => value !== null) ?? 0;
      return at > 0 ? begins_s[at] : null;
    },
    ask,
    refresh: async (view) => (performance.now() - asked < EVERY_MS ? undefined : ask(view)),
  };
}

/** What began and ended, and what happened to edges. @param {View} view @param {Seconds} from @param {Seconds} to @param {AbortSignal} signal @returns {Promise<Moment[]>} */
async function marks(view, from, to, signal) {
  const [moments, events] = await Promise.all([askMoments(view, from, to, signal), askEvents(view.select, from, to, signal)]);
  const edges = events.map(({ at, what, edge, text }) => ({ id: `${edge} ${at}`, at, to: at, what: `edge_${what}`, key: edge, text }));
  return [...moments, ...edges].sort((a, b) => a.at - b.at);
}
