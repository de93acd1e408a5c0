// @ts-check
/** Asks again and again while somebody looks, and at once when something was done. */

import { replaced } from "../dom.js";

const EVERY_MS = 10_000;

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @param {{ show: (answer: T) => void, refused: (error: unknown) => void }} page
 * @returns {() => void} asks now
 */
export function follow(ask, { show, refused }) {
  let asking = new AbortController();
  const now = () => {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    ask(signal).then(
      (answer) => signal.aborted || show(answer),
      (error) => signal.aborted || refused(error),
    );
  };
  setInterval(() => document.hidden || document.querySelector("dialog[open]") || now(), EVERY_MS);
  now();
  return now;
}

/** New content, if it says something else; what had the focus has it again. @param {HTMLElement} root @param {(Node | null)[]} content */
export function refreshed(root, content) {
  const held = [...root.querySelectorAll("a, button")].indexOf(/** @type {Element} */ (document.activeElement));
  replaced(root, content);
  const again = root.querySelectorAll("a, button")[held];
  if (again instanceof HTMLElement && document.activeElement !== again) again.focus({ preventScroll: true });
}
