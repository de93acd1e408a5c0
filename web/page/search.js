// @ts-check
/** Search and filter in one field: words find, `key:value` filters, Enter takes what is marked. */

import { askEvents, askSearch } from "./answers.js";
import { byId, html, put } from "./dom.js";
import { clock, day, plural } from "./words.js";

/** @import { EdgeEvent, Found, Seconds, View } from "./types.js" */

const WAIT_MS = 120;
/** What happened to edges of these names: so far back, and so many lines. */
const DAY_S = 86_400;
const EVENTS = 3;
/** A word of the filter grammar: a key and what it is compared with. */
const FILTER_WORD = /^[-!]?[a-z][\w.]*(:|[<>]=?)\S/i;

/** Whether all words are of the filter grammar. @param {string} text */
export function isFilter(text) {
  const words = text.match(/(?:"[^"]*"|\S)+/g) ?? [];
  return words.length > 0 && words.every((word) => FILTER_WORD.test(word));
}

/** @typedef {{ text: string, hint: string, take: () => void }} Item */

/**
 * @param {() => View} view
 * @param {{ select: (key: string, q: string) => void, filter: (q: string) => void, event: (event: EdgeEvent) => void }} act
 * @returns {{ focus: () => void }}
 */
export function search(view, act) {
  const input = byId("query", HTMLInputElement);
  const list = suggestions(input);
  let wait = 0;
  let asking = new AbortController();
  const leave = () => {
    input.value = "";
    list.close();
    input.blur();
  };
  const ask = async () => {
    asking.abort();
    const text = input.value.trim();
    if (!text) return list.close();
    asking = new AbortController();
    const { signal } = asking;
    const filter = { text: `Filter by ${text}`, hint: "only edges that match", take: () => act.filter(text) };
    const first = isFilter(text) ? [filter] : [];
    try {
      const [found, events] = await Promise.all([askSearch(view(), text, signal), happened(view(), text, signal)]);
      const edges = events.map((one) => ({ text: one.text, hint: `${time(one.at)} UTC`, take: () => act.event(one) }));
      return list.offer([...first, ...found.map((one) => ({ text: one.value || one.key, hint: hintOf(one), take: () => act.select(one.key, one.q) })), ...edges], "Nothing of that name, now or in what is kept");
    } catch (error) {
      return signal.aborted ? undefined : list.offer(first, error instanceof Error ? error.message : String(error));
    }
  };
  const take = (/** @type {Item | undefined} */ item) => {
    if (!item) return;
    leave();
    item.take();
  };
  input.addEventListener("input", () => {
    clearTimeout(wait);
    wait = window.setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") list.step(event.key === "ArrowDown" ? 1 : -1);
    else return;
    event.preventDefault();
  });
  byId("search", HTMLFormElement).addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(wait);
    const text = input.value.trim();
    if (isFilter(text) && list.isFirst()) return take({ text, hint: "", take: () => act.filter(text) });
    if (!list.marked()) await ask();
    return take(list.marked());
  });
  list.taken(take);
  input.addEventListener("blur", list.close);
  return { focus: () => input.focus() };
}

/** The list under the field, as a combobox has it: the focus stays in the field. @param {HTMLInputElement} input */
function suggestions(input) {
  const list = byId("found", HTMLUListElement);
  /** @type {Item[]} */
  let items = [];
  let at = 0;
  const close = () => {
    items = [];
    list.hidden = true;
    put(input, { "aria-expanded": "false", "aria-activedescendant": null });
  };
  const mark = (/** @type {number} */ to) => {
    if (!items.length) return;
    at = (to + items.length) % items.length;
    [...list.children].forEach((item, place) => put(item, { "aria-selected": place === at ? "true" : "false" }));
    put(input, { "aria-activedescendant": `found-${at}` });
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  return {
    close,
    step: (/** @type {number} */ by) => mark(at + by),
    marked: () => /** @type {Item | undefined} */ (items[at]),
    isFirst: () => at === 0,
    taken: (/** @type {(item: Item | undefined) => void} */ take) =>
      list.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        const item = event.target instanceof Element && event.target.closest("li")?.getAttribute("data-at");
        if (item) take(items[Number(item)]);
      }),
    offer(/** @type {Item[]} */ offered, /** @type {string} */ otherwise) {
      items = offered;
      const lines = items.map((item, place) => html("li", { role: "option", id: `found-${place}`, "data-at": place }, html("span", {}, item.text), html("span", { class: "dim" }, item.hint)));
      list.replaceChildren(...(lines.length ? lines : [html("li", { role: "option", "aria-selected": "false", class: "dim" }, otherwise)]));
      list.hidden = false;
      put(input, { "aria-expanded": "true" });
      mark(0);
    },
  };
}

/** @param {Found} found */
function hintOf({ what, key, value, gone, neighbours, workloads }) {
  const where = value === key || !key ? "" : ` of ${key}`;
  const many = workloads > 1 ? `, ${plural(workloads, "workload")}` : "";
  return `${what}${where}${many}${gone ? ", gone" : neighbours ? `, ${plural(neighbours, "neighbour")}` : ""}`;
}

/** The newest events of edges in whose text all words are. @param {View} view @param {string} text @param {AbortSignal} signal */
async function happened(view, text, signal) {
  const to = view.at ?? Math.ceil(Date.now() / 1000);
  const words = text.toLowerCase().split(/\s+/);
  const events = await askEvents([], to - DAY_S, to + 1, signal);
  return events.filter((event) => words.every((word) => event.text.toLowerCase().includes(word))).slice(-EVENTS).reverse();
}

/** @param {Seconds} at */
function time(at) {
  return `${day(at)} ${clock(at)}`;
}
