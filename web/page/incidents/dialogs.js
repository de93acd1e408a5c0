// @ts-check
/** What people are asked before something is done: who they are, what is silenced and for how long, the token. */

import { Refused, token } from "../api.js";
import { button, byId, html } from "../dom.js";
import { recall, remember } from "../memory.js";

const WHO = "who";
/** How long silences last. */
const LENGTHS = [["30m", "30 minutes"], ["1h", "1 hour"], ["2h", "2 hours"], ["8h", "8 hours"], ["1d", "1 day"], ["7d", "7 days"]];

/** @typedef {{ where: string, for: string, reason: string, who: string }} Asked */

/**
 * A form in the page's dialog; it closes when `act` has done it, and says why if it was refused.
 * @param {string} title
 * @param {HTMLElement[]} fields
 * @param {string} verb
 * @param {(form: FormData) => Promise<void>} act
 */
function dialog(title, fields, verb, act) {
  const root = byId("ask", HTMLDialogElement);
  const wrong = html("p", { class: "failing", role: "alert" });
  const cancel = button("Cancel", () => root.close());
  const form = html("form", {}, html("h2", { id: "ask-title" }, title), ...fields, wrong, html("div", { class: "buttons" }, html("button", { type: "submit" }, verb), cancel));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(new FormData(form)).then(
      () => root.close(),
      (error) => wrong.replaceChildren(reason(error)),
    );
  });
  root.replaceChildren(form);
  root.showModal();
}

/** @param {unknown} error */
export function reason(error) {
  if (error instanceof Refused) return [error.message, error.hint].filter(Boolean).join(": ");
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} name @param {string} title @param {HTMLElement} control */
function field(name, title, control) {
  control.setAttribute("name", name);
  return html("label", { class: "field" }, html("span", {}, title), control);
}

function whoField() {
  return field("who", "Your name", html("input", { type: "text", value: recall(WHO), required: true, maxlength: 100, autocomplete: "name" }));
}

/** @param {FormData} form */
function whoOf(form) {
  const who = String(form.get("who") ?? "").trim();
  remember(WHO, who);
  return who;
}

/** Asks for a name the first time. @param {(who: string) => Promise<void>} act */
export function askWho(act) {
  dialog("Acknowledge: who looks at it?", [whoField()], "Acknowledge", (form) => act(whoOf(form)));
}

/** @param {string} where what is silenced, to begin with @param {(asked: Asked) => Promise<void>} act */
export function askSilence(where, act) {
  const lengths = LENGTHS.map(([value, words]) => html("option", { value, selected: value === "2h" }, words));
  const fields = [
    field("where", "Incidents that match", html("input", { type: "text", value: where, required: true, maxlength: 1000, spellcheck: "false" })),
    field("for", "For", html("select", {}, ...lengths)),
    field("reason", "Reason", html("input", { type: "text", required: true, maxlength: 500 })),
    whoField(),
  ];
  const words = (/** @type {FormData} */ form, /** @type {string} */ name) => String(form.get(name) ?? "").trim();
  dialog("Silence: nobody is told of what matches", fields, "Silence", (form) =>
    act({ where: words(form, "where"), for: words(form, "for"), reason: words(form, "reason"), who: whoOf(form) }),
  );
}

/** No answer: why, and what to do; the token, where one is wanted. @param {unknown} error @param {() => void} retry @returns {HTMLElement} */
export function refusedBox(error, retry) {
  const forbidden = error instanceof Refused && error.kind === "forbidden";
  const said = html("p", {}, reason(error));
  if (!forbidden) return html("div", { class: "box", role: "alert" }, html("h2", {}, "This could not be answered"), said, html("div", { class: "buttons" }, button("Try again", retry)));
  const input = html("input", { type: "password", "aria-label": "Token", placeholder: "Token", autocomplete: "off" });
  const form = html("form", { class: "buttons" }, input, html("button", { type: "submit" }, "Show incidents"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    retry();
  });
  return html("div", { class: "box", role: "alert" }, html("h2", {}, "No permission"), said, form);
}
