// @ts-check
/** What stands above the map and beside the time bar: buttons, choices, chips. */

import { button, byId, html, put, replaced, say } from "./dom.js";
import { GROUPS } from "./permalink.js";
import { clock, day, span } from "./words.js";
import { RANGES, WINDOWS } from "./timebar/scale.js";

/** @import { Commands } from "./commands.js" */
/** @import { Store } from "./state.js" */
/** @import { Seconds, View } from "./types.js" */

/**
 * @typedef {object} Controls
 * @property {(view: View, now: Seconds) => void} show
 * @property {() => number} range how many seconds the time bar shows
 */

/**
 * @param {Store} state
 * @param {Commands} act
 * @param {{ zoom: (by: number) => void, fit: () => void, range: () => void, help: () => void }} page
 * @returns {Controls}
 */
export function controls(state, act, page) {
  const hops = choice("hops", (value) => state.set({ hops: Number(value) }));
  const dir = choice("dir", (value) => state.set({ dir: /** @type {View["dir"]} */ (value) }));
  const group = choice("group", (value) => state.set({ group: GROUPS.includes(value) ? value : "workload", select: [], focus: null }));
  const windows = choice("window", (value) => state.set({ window_s: Number(value) }));
  const ranges = choice("range", page.range);
  for (const seconds of WINDOWS) windows.append(html("option", { value: seconds }, span(seconds)));
  for (const seconds of RANGES) ranges.append(html("option", { value: seconds, selected: seconds === 3600 }, `bar: ${span(seconds)}`));
  const buttons = {
    errors: act.errors,
    fold: act.fold,
    compare: act.compare,
    view: act.view,
    link: act.copyLink,
    help: page.help,
    earlier: () => act.step(-1),
    later: () => act.step(1),
    live: act.live,
    closer: () => page.zoom(1),
    farther: () => page.zoom(-1),
    fit: page.fit,
  };
  for (const [id, press] of Object.entries(buttons)) byId(id, HTMLButtonElement).addEventListener("click", () => void press());
  byId("home", HTMLAnchorElement).addEventListener("click", (event) => {
    event.preventDefault();
    act.home();
  });
  return {
    range: () => Number(ranges.value),
    show(view, now) {
      hops.value = String(view.hops);
      hops.disabled = dir.disabled = view.select.length === 0;
      dir.value = view.dir;
      group.value = view.group;
      if (![...windows.options].some(({ value }) => Number(value) === view.window_s)) windows.append(html("option", { value: view.window_s }, span(view.window_s)));
      windows.value = String(view.window_s);
      press("errors", view.errors);
      press("fold", view.folded);
      press("compare", view.against !== null);
      press("view", view.view === "table");
      press("live", view.at === null);
      put(byId("later", HTMLButtonElement), { disabled: view.at === null });
      const end = view.at ?? now;
      say(byId("day", HTMLElement), `${day(end)} ${clock(end)} UTC`);
      say(byId("time", HTMLElement), `${view.at === null ? "the last" : "the"} ${span(view.window_s)}${view.at === null ? "" : " before"}${view.against === null ? "" : `, against ${day(view.against) === day(end) ? "" : `${day(view.against)} `}${clock(view.against)}`}`);
      chips(state, view);
    },
  };
}

/** @param {Store} state @param {View} view */
function chips(state, view) {
  const chip = (/** @type {string} */ text, /** @type {string} */ what, /** @type {Partial<View>} */ without) =>
    html("li", {}, button(`${text} ×`, () => state.set(without), { "aria-label": `${text}: take ${what} away`, title: `Take ${what} away` }));
  replaced(byId("chips", HTMLUListElement), [
    ...view.select.map((name) => chip(name, "this selection", { select: view.select.filter((other) => other !== name) })),
    view.q ? chip(view.q, "this filter", { q: "" }) : null,
  ]);
}

/** @param {string} id @param {(value: string) => void} act */
function choice(id, act) {
  const select = byId(id, HTMLSelectElement);
  select.addEventListener("change", () => act(select.value));
  return select;
}

/** @param {string} id @param {boolean} pressed */
function press(id, pressed) {
  put(byId(id, HTMLButtonElement), { "aria-pressed": pressed });
}
