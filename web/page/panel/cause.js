// @ts-check
/** The cause of failures in words: which part alone, how bad, how much it explains, since when, and what it is not. */

import { html } from "../dom.js";
import { clock } from "../words.js";

/** @import { Cause } from "../types.js" */

/** As of a share: two digits where it is small. @param {number} part 0 to 1 */
function share(part) {
  const percent = 100 * part;
  return percent >= 10 || !percent ? `${Math.round(percent)} %` : `${Number(percent.toPrecision(1))} %`;
}

/** `server.version` is `version`: most parts are of servers. @param {string} attribute */
function plain(attribute) {
  return attribute.replace("server.", "").replace("client.", "caller's ");
}

/** @param {Cause} cause */
export function causeWords({ where, rate_inside, rate_outside, explains }) {
  const values = Object.entries(where).map(([attribute, value]) => `${plain(attribute)} ${value}`);
  if (!values.length) return `Everything: ${share(rate_inside)} failed`;
  return `Only ${values.join(" with ")}: ${share(rate_inside)} failed; others ${share(rate_outside)}; explains ${share(explains)}`;
}

/** What shows no difference, of both ends as one: zones, nodes. @param {string[]} attributes */
export function notWords(attributes) {
  const ends = attributes.map((attribute) => attribute.replace(/^(client|server)\./, ""));
  const names = ends.map((name, at) => (ends.indexOf(name) !== ends.lastIndexOf(name) || !attributes[at]?.startsWith("client.") ? `${name}s` : `callers' ${name}s`));
  return [...new Set(names)].join(", ");
}

/** The first cause; none if nothing separates. @param {Cause[]} causes @param {string[]} not */
export function causeLines([cause], not) {
  if (!cause) return [];
  const { began, before } = cause;
  const first = before[0];
  const since = began === null ? "" : ` Since ${clock(began)} UTC${first ? `, after ${first.text} (${clock(first.at)})` : ""}.`;
  const other = not.length ? ` Not it: ${notWords(not)}.` : "";
  return [html("p", { class: "cause" }, html("b", {}, `${causeWords(cause)}.`), since, other)];
}
