// @ts-check
/** Ways through proxies: each hop's transport, and where the time went. */

import { html } from "../dom.js";
import { count, duration, percent, plural } from "../words.js";
import { section } from "./sections.js";

/** @import { Path } from "../types.js" */

/** The most used first. @param {Path[]} paths @returns {HTMLElement} */
export function pathList(paths) {
  return section("Through proxies", ...paths.map(way));
}

/** @param {Path} path */
function way({ hops, requests, requests_failed: wrong, before_ns: before, upstream_ns: upstream, after_ns: after }) {
  const times = [`${duration(before)} before ${hops[0].server}`, `${duration(upstream)} behind it`, `${duration(after)} on the way back`];
  return html(
    "div",
    { class: "way" },
    ...hops.map(hop),
    html("span", { class: "step dim" }, `${plural(requests, "request")}${wrong ? `, ${percent(wrong, requests)} errors` : ""}: ${times.join(", ")}`),
  );
}

/** @param {Path["hops"][number]} hop @param {number} at */
function hop({ client, server, rtt_ns: rtt, retransmits, sent }, at) {
  const told = [rtt ? `round trip ${duration(rtt.p50)} / ${duration(rtt.p99)}` : "", sent ? `${count(retransmits)} of ${count(sent)} resent` : ""].filter(Boolean);
  return html("span", { class: at ? "step" : null }, `${at ? "↳ " : ""}${client} → `, html("b", {}, server), html("span", { class: "dim" }, ` ${told.join(", ")}`));
}
