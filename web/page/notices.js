// @ts-check
/** States in which there is no map, and lines above it: each says what is so and what to do next. */

import { token } from "./api.js";
import { recall, remember } from "./memory.js";
import { button, byId, html, replaced } from "./dom.js";
import { clock, plural } from "./words.js";

/** @import { Refused } from "./api.js" */
/** @import { Seconds, View } from "./types.js" */

const GREETED = "greeted";

/** @param {HTMLElement | null} content null: there is a map */
function notice(content) {
  const root = byId("notice", HTMLElement);
  root.hidden = content === null;
  document.body.classList.toggle("noticed", content !== null);
  replaced(root, [content]);
}

export function nothing() {
  notice(null);
}

export function loading() {
  notice(html("div", {}, html("h2", {}, "Asking for the map …"), html("p", { class: "dim" }, "Long windows far back may take some seconds.")));
}

/** Nothing is stored at all. @param {string[]} old nodes whose agents are too old @param {{ retry: () => void }} act */
export function empty(old, { retry }) {
  notice(
    html(
      "div",
      {},
      html("h2", {}, old.length ? "Agents are too old" : "No connection has been seen yet"),
      html("p", {}, old.length ? `${old.join(", ")}: what they report is not what the map is made of. Update Tailrace there.` : "The first ones appear a second after they open. Is something talking on this machine?"),
      html("p", {}, "Try ", html("code", {}, "tailrace doctor"), " if this stays empty: it says what Tailrace can see here."),
      html("div", { class: "buttons" }, button("Look again", retry)),
    ),
  );
}

/** Something is stored, but not what is asked for. @param {View} view @param {{ clear: () => void, home: () => void, longer: () => void }} act */
export function noMatch(view, { clear, home, longer }) {
  const asked = [...view.select, view.q, view.errors ? "errors only" : ""].filter(Boolean);
  const why = !asked.length ? "Nothing was seen in this window." : `Nothing in this window matches ${asked.join(" and ")}.`;
  notice(
    html(
      "div",
      {},
      html("h2", {}, view.errors && asked.length === 1 ? "Nothing fails in this window" : why),
      html("p", {}, view.errors && asked.length === 1 ? "No connect failed. That is good news, unless the window is the wrong one." : "It may have been there at another time: a longer window shows what came and went."),
      html(
        "div",
        { class: "buttons" },
        view.q || view.errors ? button("Without the filter", clear) : null,
        view.select.length ? button("The whole map", home) : null,
        button("A longer window", longer),
      ),
    ),
  );
}

/** A question got no answer. @param {Refused} refused @param {{ retry: () => void, home: () => void, alone: (() => void) | null }} act `alone`: without the comparison, if there is one */
export function refusedNotice(refused, act) {
  if (refused.kind === "forbidden") return forbidden(refused, act);
  const titles = { disconnected: "Tailrace does not answer", error: "This could not be answered", forbidden: "" };
  notice(
    html(
      "div",
      {},
      html("h2", {}, titles[refused.kind]),
      html("p", {}, refused.message),
      refused.hint ? html("p", { class: "dim" }, refused.hint) : null,
      html("p", { class: "dim" }, `code: ${refused.code}`),
      html("div", { class: "buttons" }, button("Try again", act.retry), act.alone && refused.kind === "error" ? button("Without the comparison", act.alone) : null, refused.kind === "error" ? button("The whole map", act.home) : null),
    ),
  );
}

/** @param {Refused} refused @param {{ retry: () => void }} act */
function forbidden(refused, { retry }) {
  const input = html("input", { type: "password", "aria-label": "Token", placeholder: "Token", autocomplete: "off" });
  const form = html("form", {}, input, html("button", { type: "submit" }, "Show the map"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    retry();
  });
  notice(
    html(
      "div",
      {},
      html("h2", {}, "No permission"),
      html("p", {}, refused.message),
      html("p", { class: "dim" }, refused.hint || "Whoever runs Tailrace has the token in a file. It stays in this tab and never in a link."),
      form,
    ),
  );
}

/** Lines above the map. @param {HTMLElement[]} lines */
export function banner(lines) {
  replaced(byId("banner", HTMLElement), lines);
}

/** Said once. @param {() => void} gone @returns {HTMLElement | null} */
export function greeting(gone) {
  if (recall(GREETED)) return null;
  const line = html("p", {}, "Clients stand left, servers right; an arrow says who calls whom. An octagon fails: choose it, and the panel says where. ? lists the keys.");
  line.append(
    button("Got it", () => {
      remember(GREETED, "1");
      gone();
    }),
  );
  return line;
}

/** The picture stays, but it is old. @param {Seconds} since */
export function stale(since) {
  return html("p", { class: "bad" }, `✖ Disconnected: this is the map of ${clock(since)} UTC. Trying again …`);
}

/** @param {number} shown @param {number} of @param {() => void} group */
export function many(shown, of, group) {
  const line = html("p", {}, `${plural(of, "workload")}: the map shows the ${shown} that fail, changed or carry most. Search for one, or see them by namespace.`);
  line.append(button("By namespace", group));
  return line;
}

/** Agents that do not send all that the page asks for. @param {string[]} nodes */
export function oldAgents(nodes) {
  return html("p", {}, `▲ Agent too old on ${nodes.join(", ")}: what it does not report counts as 0 here. Update it.`);
}
