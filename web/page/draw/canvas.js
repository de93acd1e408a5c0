// @ts-check
/** The map under the pointer and the keys: click, arrows along edges. */

import { byId } from "../dom.js";
import { next } from "../shown.js";
import { pointer } from "./pointer.js";
import { arrows, scene } from "./scene.js";
import { viewport } from "./viewport.js";

/** @import { Shown } from "../shown.js" */
/** @import { Id } from "../types.js" */

/** @typedef {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} Arrow */

/**
 * @typedef {object} Canvas
 * @property {(shown: Shown, focus: Id | null, how: { fit: boolean }) => void} show
 * @property {() => void} fit
 * @property {(by: number) => void} zoom
 * @property {(id: Id) => void} reveal
 */

/**
 * @param {{ focus: (id: Id | null) => void, centre: (id: Id, add: boolean) => void }} act
 * @returns {Canvas}
 */
export function canvas(act) {
  const element = byId("canvas", SVGSVGElement);
  const draw = scene({ edges: byId("edges", SVGGElement), nodes: byId("nodes", SVGGElement), labels: byId("labels", SVGGElement) });
  arrows(byId("arrows", SVGDefsElement));
  /** @type {{ shown: Shown | null, focus: Id | null, tab: Id | null }} */
  const now = { shown: null, focus: null, tab: null };
  const view = viewport(element, () => now.shown);
  const redraw = () => {
    if (!now.shown) return;
    const { nodes } = now.shown.picture;
    if (!nodes.some(({ id }) => id === now.tab)) now.tab = (nodes.find(({ selected }) => selected) ?? nodes[0])?.id ?? null;
    draw(now.shown.picture, now);
  };
  const walk = (/** @type {Id} */ from, /** @type {Arrow} */ key) => {
    const to = now.shown && next(now.shown, from, key);
    if (!to) return;
    now.tab = to;
    redraw();
    view.reveal(to);
    /** @type {SVGElement | null} */ (element.querySelector(`.node[data-id="${CSS.escape(to)}"]`))?.focus({ preventScroll: true });
  };
  element.addEventListener("keydown", (event) => {
    const id = nodeAt(event.target);
    if (!id) return;
    if (isArrow(event.key)) walk(id, event.key);
    else if (event.key === "Enter" && id === now.focus) act.centre(id, event.shiftKey);
    else if (event.key === "Enter" || event.key === " ") act.focus(id);
    else return;
    event.preventDefault();
  });
  element.addEventListener("dblclick", (event) => {
    const id = nodeAt(event.target);
    if (id) act.centre(id, event.shiftKey);
  });
  pointer(element, view, (event) => {
    const id = nodeAt(event.target);
    if (id) now.tab = id;
    act.focus(id ?? edgeAt(event.target));
  });
  return {
    show(shown, focus, how) {
      Object.assign(now, { shown, focus });
      redraw();
      view.drawn(how.fit);
    },
    fit: view.fit,
    zoom: view.zoom,
    reveal: view.reveal,
  };
}

/** @param {EventTarget | null} target @returns {Id | null} */
function nodeAt(target) {
  return target instanceof Element ? (target.closest(".node")?.getAttribute("data-id") ?? null) : null;
}

/** @param {EventTarget | null} target @returns {Id | null} */
function edgeAt(target) {
  return target instanceof Element ? (target.closest("[data-edge]")?.getAttribute("data-edge") ?? null) : null;
}

/** @param {string} key @returns {key is Arrow} */
function isArrow(key) {
  return ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(key);
}
