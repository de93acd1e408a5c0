// @ts-check
/** What buttons and keys do: changes of what is looked at. */

import { byId, say } from "./dom.js";
import { help } from "./keys.js";
import { command, DEFAULT_VIEW, fixed, write } from "./permalink.js";
import { WINDOWS } from "./timebar/scale.js";

/** @import { Key } from "./keys.js" */
/** @import { Store } from "./state.js" */
/** @import { Seconds, View } from "./types.js" */

const HOUR_S = 3600;
const MINUTE_S = 60;
const SAID_MS = 1500;
const DIRECTIONS = /** @type {const} */ (["both", "up", "down"]);

/** Whole minutes have the same answer after every rollup. @param {Seconds} time */
export function minute(time) {
  return Math.floor(time / MINUTE_S) * MINUTE_S;
}

/** @typedef {ReturnType<typeof commands>} Commands */

/** @param {Store} state @param {() => Seconds} now the end of what is known @param {() => Seconds | null} begins of what is known, if that is within the time bar */
export function commands(state, now, begins) {
  const { get, set } = state;
  const home = () => {
    const { at, window_s, against, view } = get();
    set({ ...DEFAULT_VIEW, at, window_s, against, view });
  };
  const beforeAndAfter = (/** @type {Seconds} */ time) => ({ at: Math.min(time + get().window_s, Math.floor(Date.now() / 1000)), against: time });
  return {
    home,
    /** With an hour before, or with the oldest window that is kept. */
    compare() {
      const { against, at, window_s } = get();
      const end = at ?? now();
      const oldest = minute((begins() ?? 0) + MINUTE_S - 1) + window_s;
      const before = minute(end) - HOUR_S;
      set({ against: against !== null ? null : before < oldest && oldest <= end - window_s ? oldest : before });
    },
    /** Before and after a moment, such as a deploy; what was not yet is not waited for. */
    around: (/** @type {Seconds} */ time) => set(beforeAndAfter(time)),
    beforeAndAfter,
    /** @param {number} by windows */
    step(by) {
      const { at, window_s } = get();
      if (at === null && by > 0) return;
      const to = (at ?? minute(now())) + by * window_s;
      set({ at: to > Date.now() / 1000 ? null : to });
    },
    live: () => set({ at: get().at === null ? minute(now()) : null }),
    turn: () => set({ dir: DIRECTIONS[(DIRECTIONS.indexOf(get().dir) + 1) % DIRECTIONS.length] }),
    errors: () => set({ errors: !get().errors }),
    fold: () => set({ folded: !get().folded, focus: null }),
    view: () => set({ view: get().view === "table" ? "graph" : "table" }, { replace: true }),
    clear: () => set({ q: "", errors: false }),
    longer: () => set({ window_s: WINDOWS.find((seconds) => seconds > get().window_s) ?? get().window_s * 2 }),
    /** Closes the details; again: the whole map. */
    back() {
      if (get().focus) set({ focus: null }, { replace: true });
      else if (get().select.length || get().q) home();
    },
    copyLink: () => copyLink(fixed(get(), minute(now()))),
    /** @param {Key[]} keys */
    help: (keys) => help(keys, command(get(), minute(now()))),
  };
}

/** Copies the link; where the browser forbids it, shows it to be copied by hand. @param {View} view */
async function copyLink(view) {
  const link = `${location.origin}${location.pathname}${write(view)}`;
  const word = byId("link-word", HTMLElement);
  try {
    await navigator.clipboard.writeText(link);
    say(word, "Copied ✓");
    say(byId("said", HTMLElement), `Link copied: ${link}`);
    setTimeout(() => say(word, "Link"), SAID_MS);
  } catch {
    window.prompt("The link", link);
  }
}
