// @ts-check
/** Keys of the whole page, and the help that lists them. */

import { button, byId, html } from "./dom.js";

/**
 * @typedef {object} Key
 * @property {string[]} keys as `KeyboardEvent.key` says
 * @property {string} shown
 * @property {string} does
 * @property {(key: string) => void} act
 */

/** Keys that others listen for. @type {[string, string][]} */
const ELSEWHERE = [
  ["← → ↑ ↓", "in the map: to a caller, to one that is called, up and down the column"],
  ["Enter", "in the map: show details; again: centre here (with Shift: add to the selection)"],
  ["Enter", "on a mark of the time bar: compare before and after it"],
  ["← →", "on a brush of the time bar: a step earlier or later (with Shift: a window)"],
];

/** @param {Key[]} table */
export function keys(table) {
  const byKey = new Map(table.flatMap((entry) => entry.keys.map((key) => [key, entry])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    const entry = byKey.get(event.key);
    if (!entry || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    entry.act(event.key);
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.matches("input, select, textarea") || target.isContentEditable);
}

/** Shows the help. @param {Key[]} table @param {string} command the same on the command line */
export function help(table, command) {
  const dialog = byId("keys", HTMLDialogElement);
  const lines = [...table.map(({ shown, does }) => /** @type {[string, string]} */ ([shown, does])), ...ELSEWHERE];
  dialog.replaceChildren(
    html("h2", {}, "Keys"),
    html("dl", {}, ...lines.flatMap(([key, does]) => [html("dt", {}, html("kbd", {}, key)), html("dd", {}, does)])),
    html("p", {}, html("br"), "The same in a terminal: ", html("code", {}, command)),
    html("p", {}, html("br"), button("Close", () => dialog.close())),
  );
  dialog.showModal();
}
