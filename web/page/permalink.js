// @ts-check
/** Links: what is looked at, in absolute times, with the words of the command line. */

import { filterWords } from "./api.js";
import { iso, seconds, span, spanSeconds } from "./words.js";

/** @import { View } from "./types.js" */

/** @type {View} */
export const DEFAULT_VIEW = Object.freeze({
  select: [],
  hops: 2,
  dir: "both",
  group: "workload",
  at: null,
  window_s: 300,
  against: null,
  q: "",
  focus: null,
  view: "graph",
  errors: false,
  folded: false,
});

export const GROUPS = ["workload", "version", "zone", "namespace", "node"];
const DIRECTIONS = /** @type {const} */ (["both", "up", "down"]);

/**
 * @param {string} search such as `?select=shop/cart&hops=2`
 * @param {boolean} narrow whether the screen is small: the table comes first there
 * @returns {View} what cannot be read has its default
 */
export function read(search, narrow = false) {
  const words = new URLSearchParams(search);
  const hops = Number(words.get("hops"));
  const group = words.get("group") ?? "";
  const shown = words.get("view") ?? (narrow ? "table" : "graph");
  return {
    select: words.getAll("select").filter(Boolean),
    hops: hops >= 1 && hops <= 4 ? Math.floor(hops) : DEFAULT_VIEW.hops,
    dir: DIRECTIONS.find((one) => one === words.get("dir")) ?? "both",
    group: GROUPS.includes(group) ? group : DEFAULT_VIEW.group,
    at: seconds(words.get("at")),
    window_s: spanSeconds(words.get("w") ?? "") ?? DEFAULT_VIEW.window_s,
    against: seconds(words.get("against")),
    q: words.get("q") ?? "",
    focus: words.get("focus"),
    view: shown === "table" ? "table" : "graph",
    errors: words.get("errors") === "1",
    folded: words.get("proxies") === "folded",
  };
}

/** @param {View} view @returns {string} `?…`; what has its default is left out, but for the time */
export function write(view) {
  const words = new URLSearchParams();
  for (const name of view.select) words.append("select", name);
  if (view.hops !== DEFAULT_VIEW.hops) words.set("hops", String(view.hops));
  if (view.dir !== "both") words.set("dir", view.dir);
  if (view.group !== DEFAULT_VIEW.group) words.set("group", view.group);
  if (view.at !== null) words.set("at", iso(view.at));
  if (view.window_s !== DEFAULT_VIEW.window_s) words.set("w", span(view.window_s));
  if (view.against !== null) words.set("against", iso(view.against));
  if (view.q) words.set("q", view.q);
  if (view.focus) words.set("focus", view.focus);
  if (view.view === "table") words.set("view", "table");
  if (view.errors) words.set("errors", "1");
  if (view.folded) words.set("proxies", "folded");
  const text = words.toString().replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%3E", ">").replaceAll("%2C", ",");
  return text && `?${text}`;
}

/**
 * The same question on the command line.
 * @param {View} view
 * @param {Seconds} now the end of the window of a live view
 */
export function command(view, now) {
  const words = ["tailrace", "map", ...view.select.map(quoted)];
  if (view.hops !== DEFAULT_VIEW.hops) words.push("--hops", String(view.hops));
  if (view.dir !== "both") words.push(`--${view.dir}`);
  if (view.group !== DEFAULT_VIEW.group) words.push("--group", view.group);
  if (view.folded) words.push("--proxies", "folded");
  words.push("--at", iso(view.at ?? now));
  if (view.window_s !== DEFAULT_VIEW.window_s) words.push("--window", span(view.window_s));
  if (view.against !== null) words.push("--against", iso(view.against));
  const filter = filterWords(view);
  if (filter) words.push(quoted(filter));
  return words.join(" ");
}

/** @import { Seconds } from "./types.js" */

/** For a shell. @param {string} text */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same view with its live time fixed, so that a link means the same tomorrow. @param {View} view @param {Seconds} now @returns {View} */
export function fixed(view, now) {
  return view.at === null ? { ...view, at: Math.floor(now) } : view;
}
