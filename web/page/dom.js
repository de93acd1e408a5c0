// @ts-check
/** Elements, made and kept up to date with the least change. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes false, null and undefined: absent; of `aria-…` true and false are words */
/** @typedef {(Node | string | null)[]} Children */

/**
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Attributes} [attributes]
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  put(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} N
 * @param {N} name
 * @param {Attributes} [attributes]
 * @param {(Node | string | null)[]} children
 * @returns {SVGElementTagNameMap[N]}
 */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  put(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Writes attributes that differ. @param {Element} element @param {Attributes} attributes */
export function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("aria-") && typeof value === "boolean") element.setAttribute(name, String(value));
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The element of the page with this id.
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const element = document.getElementById(id) ?? document.querySelector(`[id="${id}"]`);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

/**
 * A button.
 * @param {string} text
 * @param {() => void} act
 * @param {Attributes} [attributes]
 */
export function button(text, act, attributes = {}) {
  const element = html("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
}

/**
 * Children by key: those that stay are changed, not made anew, so that focus and transitions stay.
 * @template T
 * @template {Element} E
 * @param {Element} parent
 * @param {Map<string, E>} made by key; changed in place
 * @param {T[]} items
 * @param {{ key: (item: T) => string, make: (item: T) => E, change: (element: E, item: T) => void }} how
 */
export function keyed(parent, made, items, { key, make, change }) {
  const gone = new Set(made.keys());
  for (const item of items) {
    const id = key(item);
    let element = made.get(id);
    if (!element) {
      element = make(item);
      made.set(id, element);
      parent.append(element);
    }
    change(element, item);
    gone.delete(id);
  }
  for (const id of gone) {
    made.get(id)?.remove();
    made.delete(id);
  }
}

/**
 * New content, unless it says what is there already: nothing blinks, and a screen reader does not say it again.
 * @param {Element} root
 * @param {(Node | null)[]} content
 */
export function replaced(root, content) {
  const nodes = content.filter((node) => node !== null);
  if (nodes.map((node) => node.textContent).join("\n") === [...root.childNodes].map((node) => node.textContent).join("\n")) return;
  root.replaceChildren(...nodes);
}

/** Does something when nothing is to be drawn. @param {() => void} act @returns {() => void} gives it up */
export function idle(act) {
  if (!("requestIdleCallback" in window)) {
    const timer = setTimeout(act); // a browser that has no such thing
    return () => clearTimeout(timer);
  }
  const handle = window.requestIdleCallback(act, { timeout: 1000 });
  return () => window.cancelIdleCallback(handle);
}

/**
 * The size of an element, measured once until it is another: after each change of the page measuring costs a layout.
 * @param {Element} element
 * @param {() => void} changed
 * @returns {() => { width: number, height: number }} pixels, at least 1
 */
export function sized(element, changed) {
  /** @type {{ width: number, height: number } | null} */
  let size = null;
  new ResizeObserver(() => {
    size = null;
    changed();
  }).observe(element);
  return () => (size ??= { width: element.clientWidth || 1, height: element.clientHeight || 1 });
}

/**
 * Waits with what would change an element under the reader's hands: while a button is being pressed in it, or its text marked.
 * @param {Element} root
 * @returns {(change: () => void) => void} does it now or later; of several the last
 */
export function steady(root) {
  let pressed = false;
  /** @type {(() => void) | null} */
  let later = null;
  let marked = false;
  const over = () => {
    if (pressed || marked || !later) return;
    const change = later;
    later = null;
    change();
  };
  root.addEventListener("pointerdown", () => (pressed = true));
  for (const end of ["pointerup", "pointercancel"])
    window.addEventListener(end, () => {
      pressed = false;
      setTimeout(over); // after the click
    });
  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection(); // asked here alone: the answer may cost a layout
    marked = Boolean(selection && !selection.isCollapsed && root.contains(selection.anchorNode));
    over();
  });
  return (change) => {
    later = change;
    over();
  };
}
