// @ts-check
/** Numbers, times and counts as a person reads them. */

const PREFIXES = ["", "k", "M", "G", "T", "P"];
/** A space at which no line ends. */
const FIXED = "\u00a0";

/**
 * Three significant digits at most: 0.2, 9.2, 213, 1.04 k.
 * @param {number} value
 * @param {string} unit
 * @param {number} [most] digits after the point
 */
function scaled(value, unit, most = 2) {
  let index = 0;
  while (Math.abs(value) >= 999.5 && index < PREFIXES.length - 1) {
    value /= 1000;
    index += 1;
  }
  const digits = value >= 100 || (index === 0 && Number.isInteger(value)) ? 0 : value >= 10 ? 1 : 2;
  return `${trimmed(value.toFixed(Math.min(digits, most)))} ${PREFIXES[index]}${unit}`.trimEnd();
}

/** @param {string} text */
function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** @param {number} bytes @param {number} seconds */
export function rate(bytes, seconds) {
  return `${scaled(bytes / Math.max(1, seconds), "B")}/s`;
}

/** @param {number} value */
export function bytes(value) {
  return scaled(value, "B");
}

/** How often: 12/s, 0.2/s. @param {number} number @param {number} seconds */
export function often(number, seconds) {
  const value = number / Math.max(1, seconds);
  if (value > 0 && value < 0.05) return "<0.1/s";
  return `${scaled(value, "", 1).replace(" ", "")}/s`;
}

/** Short, for words at lines. @param {number} value */
export function count(value) {
  return scaled(value, "", 1).replace(" ", "");
}

/** All digits, for sentences. @param {number} value */
export function exact(value) {
  return value.toLocaleString("en");
}

/** @param {number | null | undefined} nanoseconds */
export function duration(nanoseconds) {
  if (nanoseconds === null || nanoseconds === undefined) return "–";
  if (nanoseconds >= 1e9) return `${trimmed((nanoseconds / 1e9).toFixed(2))} s`;
  if (nanoseconds >= 1e6) return `${trimmed((nanoseconds / 1e6).toFixed(1))} ms`;
  return `${Math.round(nanoseconds / 1e3)} µs`;
}

/** @param {number} part @param {number} whole */
export function percent(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  if (value > 0 && value < 1) return `<${FIXED}1${FIXED}%`;
  return `${Math.round(value)}${FIXED}%`;
}

/** @param {number} number @param {string} one @param {string} [many] */
export function plural(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : (many ?? `${one}s`)}`;
}

/** @param {number} seconds such as 300 */
export function span(seconds) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[86400, "d"], [3600, "h"], [60, "m"]]))
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}

/** @param {string} text such as 5m @returns {number | null} seconds */
export function spanSeconds(text) {
  const match = /^(\d+)(s|m|h|d)$/.exec(text);
  if (!match) return null;
  const unit = { s: 1, m: 60, h: 3600, d: 86400 }[/** @type {"s" | "m" | "h" | "d"} */ (match[2])];
  return Number(match[1]) * unit;
}

/** @param {number} seconds @returns {string} 2026-11-29T03:12:40Z */
export function iso(seconds) {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

/** @param {number} seconds @returns {string} 03:12:40 */
export function clock(seconds) {
  return iso(seconds).slice(11, 19);
}

/** @param {number} seconds @returns {string} Sun 29 Nov */
export function day(seconds) {
  const [weekday, date, month] = new Date(seconds * 1000).toUTCString().split(/,? /); // Sun, 29 Nov 2026 …
  return `${weekday} ${Number(date)} ${month}`;
}

/** @param {string | number | null | undefined} value as the API writes it: ISO 8601 or seconds */
export function seconds(value) {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "number") return value;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : Math.floor(parsed / 1000);
}
