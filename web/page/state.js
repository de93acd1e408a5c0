// @ts-check
/** What is looked at, who wants to know of changes, and the history of the browser. */

import { read, write } from "./permalink.js";

/** @import { View } from "./types.js" */

/** A change of one of these begins another map: its places are not kept. @type {(keyof View)[]} */
const OTHER_MAP = ["select", "hops", "dir", "group", "folded"];

/**
 * @typedef {object} Store
 * @property {() => View} get
 * @property {(change: Partial<View>, how?: { replace?: boolean }) => void} set
 * @property {(listener: (view: View, before: View) => void) => void} listen
 */

/**
 * @param {{ location: Location, history: History, addEventListener: Window["addEventListener"] }} browser
 * @param {boolean} narrow
 * @returns {Store}
 */
export function store(browser, narrow) {
  let view = read(browser.location.search, narrow);
  /** @type {((view: View, before: View) => void)[]} */
  const listeners = [];
  const change = (/** @type {View} */ next) => {
    const before = view;
    view = next;
    for (const listener of listeners) listener(view, before);
  };
  browser.addEventListener("popstate", () => change(read(browser.location.search, narrow)));
  return {
    get: () => view,
    listen: (listener) => void listeners.push(listener),
    set(part, { replace = false } = {}) {
      const next = { ...view, ...part };
      const link = browser.location.pathname + write(next);
      if (link !== browser.location.pathname + browser.location.search) {
        if (replace) browser.history.replaceState(null, "", link);
        else browser.history.pushState(null, "", link);
      }
      change(next);
    },
  };
}

/** @param {View} view @param {View} before @param {(keyof View)[]} keys */
export function differs(view, before, keys) {
  return keys.some((key) => JSON.stringify(view[key]) !== JSON.stringify(before[key]));
}

/** @param {View} view @param {View} before */
export function isOtherMap(view, before) {
  return differs(view, before, OTHER_MAP);
}

/** Whether the map has to be asked for again. @param {View} view @param {View} before */
export function isOtherQuestion(view, before) {
  return differs(view, before, [...OTHER_MAP, "at", "window_s", "against", "q", "errors"]);
}
