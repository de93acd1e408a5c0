// @ts-check
/** Network or application: the verdict of an edge or a node in one line, with the numbers that it rests on. */

import { html } from "../dom.js";
import { section } from "./sections.js";

/** @import { Quality } from "../types.js" */

/** With no line's end between a number and its sign. @param {string} text */
function fixed(text) {
  return text.replaceAll(" %", "\u00a0%");
}

/** @param {Quality} found */
export function networkOrApplication({ verdict, sentence, findings, usual }) {
  const ill = verdict !== "well" && verdict !== "unknown";
  const others = findings.filter((each) => each.verdict !== verdict);
  return section(
    "Network or application?",
    html("p", { class: ill ? "status degraded" : "dim" }, fixed(sentence)),
    ...others.map(({ verdict: of, text }) => html("p", { class: "dim" }, fixed(`Also ${of}: ${text}`))),
    ill && !usual ? html("p", { class: "dim" }, "Nothing is known of the hour before: limits are wide.") : null,
  );
}
