// @ts-check
/** The first question, asked while the rest of the page still loads: it needs five small modules, the page forty. */

import { ask, BUDGET, mapWords } from "./api.js";
import { read } from "./permalink.js";

/** @type {Promise<any> | null} */
let begun = ask("map", mapWords(read(location.search), BUDGET));
begun.catch(() => undefined); // whoever takes it sees why

/** The answer of the map that the link means, as the API has it; once. @returns {Promise<any> | null} */
export function takeFirst() {
  const taken = begun;
  begun = null;
  return taken;
}
