// @ts-check
/** The time bar: a brush for the window, one for what it is compared with; by pointer and by keys. */

import { byId, put, say, sized, svg } from "../dom.js";
import { clock, iso, span } from "../words.js";
import { bar } from "./bar.js";
import { dragged, snap, toPixel, toTime } from "./scale.js";

/** @import { Moment, Seconds, Series, View } from "../types.js" */
/** @import { Range, Span } from "./scale.js" */

const GRIP = 7;
const TOP = 12;
const BOTTOM = 18;
/** The least that a brush is drawn, so that it can be taken hold of. */
const LEAST = 8;
/** Pixels between brushes within which the words of one would cover the other's. */
const WORDS = 90;

/** @typedef {{ view: View, now: Seconds, range: Range, series: Series | null, moments: Moment[] }} Times */

/**
 * @param {{ window: (end: Seconds, length: number) => void, against: (end: Seconds) => void, around: (time: Seconds) => void }} act
 * @returns {(times: Times) => void}
 */
export function timebar(act) {
  const root = byId("bar", SVGSVGElement);
  const back = svg("g");
  const brushes = { window: brush("window"), against: brush("against") };
  root.append(hatch(), back, brushes.against, brushes.window);
  /** @type {Times | null} */
  let times = null;
  /** @type {{ which: "window" | "against", span: Span } | null} a drag that is not over */
  let drag = null;
  const size = sized(root, () => render());
  const width = () => size().width;

  /** @param {"window" | "against"} which @returns {Span} */
  const spanOf = (which) => {
    if (drag?.which === which) return drag.span;
    const { view, now } = /** @type {Times} */ (times);
    return { end: (which === "window" ? view.at : view.against) ?? now, length: view.window_s };
  };
  const place = () => {
    if (!times) return;
    put(brushes.against, { visibility: times.view.against === null ? "hidden" : "visible", tabindex: times.view.against === null ? -1 : 0 });
    const apart = Math.abs(toPixel(times.range, width(), spanOf("window").end) - toPixel(times.range, width(), spanOf("against").end));
    for (const which of /** @type {const} */ (["against", "window"])) placeBrush(brushes[which], spanOf(which), times.range, width(), size().height, which, apart < WORDS);
  };
  const render = () => {
    if (!times || size().height <= TOP + BOTTOM) return; // it is not shown, as on paper
    back.replaceChildren(...bar({ ...times, width: width(), height: size().height }));
    place();
  };
  const settle = (/** @type {"window" | "against"} */ which, /** @type {Span} */ { end, length }) => (which === "window" ? act.window(end, length) : act.against(end));
  dragging(root, {
    begin: (which) => (times ? spanOf(which) : null),
    time: (pixel) => (times ? toTime(times.range, width(), pixel) : 0),
    edge: (which, pixel) => gripAt(spanOf(which), /** @type {Times} */ (times).range, width(), pixel, which),
    step: () => (times ? snap(times.range) : 60),
    seconds: (pixels) => (times ? (pixels / width()) * (times.range.to - times.range.from) : 0),
    to(which, span) {
      drag = span && { which, span };
      place();
    },
    settle,
  });
  for (const which of /** @type {const} */ (["window", "against"]))
    brushes[which].addEventListener("keydown", (event) => {
      const sign = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
      if (!sign || !times) return;
      event.preventDefault();
      event.stopPropagation();
      const step = event.shiftKey ? times.view.window_s : snap(times.range);
      settle(which, dragged(spanOf(which), "move", sign * step, snap(times.range)));
    });
  back.addEventListener("keydown", (event) => {
    const at = momentAt(event.target);
    if (at === null || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    act.around(at);
  });
  root.addEventListener("click", (event) => {
    const at = momentAt(event.target);
    if (at !== null) act.around(at);
  });
  return (next) => {
    times = next;
    render();
  };
}

/** The second of a mark. @param {EventTarget | null} target */
function momentAt(target) {
  const at = target instanceof Element ? target.closest(".moment")?.getAttribute("data-at") : null;
  return at ? Number(at) : null;
}

/** @param {"window" | "against"} which */
function brush(which) {
  return svg("g", { class: `brush ${which}`, role: "slider", tabindex: 0, "data-brush": which, "aria-label": which === "window" ? "window" : "compared with" }, svg("rect", { rx: 3, y: TOP }), svg("text", { y: 10, "text-anchor": "middle" }));
}

/**
 * @param {SVGGElement} element
 * @param {Span} span
 * @param {Range} range
 * @param {number} width
 * @param {number} height
 * @param {"window" | "against"} which
 * @param {boolean} hidden whether its words would cover the other's
 */
function placeBrush(element, { end, length }, range, width, height, which, hidden) {
  const left = toPixel(range, width, end - length);
  const wide = Math.max(LEAST, toPixel(range, width, end) - left);
  const [rect, text] = element.children;
  put(rect, { x: left.toFixed(1), width: wide.toFixed(1), height: Math.max(1, height - TOP - BOTTOM) });
  put(text, { x: Math.min(width - 46, Math.max(46, left + wide / 2)).toFixed(1) });
  say(text, which === "window" ? `window ${span(length)}` : hidden ? "" : "compared with");
  put(element, { "aria-valuemin": range.from, "aria-valuemax": range.to, "aria-valuenow": end, "aria-valuetext": `${span(length)} up to ${clock(end)}, ${iso(end)}` });
}

/** Which part of a brush is taken. @param {Span} span @param {Range} range @param {number} width @param {number} pixel @param {string} which @returns {"move" | "start" | "end"} */
function gripAt({ end, length }, range, width, pixel, which) {
  const [left, right] = [toPixel(range, width, end - length), toPixel(range, width, end)];
  if (which === "against" || right - left < 3 * GRIP) return "move";
  if (pixel - left < GRIP) return "start";
  return right - pixel < GRIP ? "end" : "move";
}

/**
 * A drag on a brush moves or resizes it; one elsewhere draws a new window; a click brings the window there.
 * @param {SVGSVGElement} root
 * @param {{
 *   begin: (which: "window" | "against") => Span | null,
 *   time: (pixel: number) => Seconds,
 *   edge: (which: "window" | "against", pixel: number) => "move" | "start" | "end",
 *   step: () => number,
 *   seconds: (pixels: number) => number,
 *   to: (which: "window" | "against", span: Span | null) => void,
 *   settle: (which: "window" | "against", span: Span) => void,
 * }} times
 */
function dragging(root, times) {
  /** @type {{ which: "window" | "against", grip: "move" | "start" | "end" | "new", x: number, span: Span, now: Span } | null} */
  let held = null;
  const pixel = (/** @type {PointerEvent} */ event) => event.clientX - root.getBoundingClientRect().left;
  root.addEventListener("pointerdown", (event) => {
    const name = event.target instanceof Element ? event.target.closest("[data-brush]")?.getAttribute("data-brush") : null;
    const which = name === "against" ? "against" : "window";
    const span = times.begin(which);
    if (!span || event.button !== 0 || momentAt(event.target) !== null) return;
    held = { which, grip: name ? times.edge(which, pixel(event)) : "new", x: pixel(event), span, now: span };
    root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (held.grip === "new") {
      const [from, to] = [times.time(Math.min(held.x, pixel(event))), times.time(Math.max(held.x, pixel(event)))];
      held.now = to > from ? { end: to, length: to - from } : held.span;
    } else held.now = dragged(held.span, held.grip, times.seconds(pixel(event) - held.x), times.step());
    times.to(held.which, held.now);
  });
  const over = (/** @type {PointerEvent} */ event) => {
    if (!held) return;
    const { which, grip, x, span, now } = held;
    held = null;
    times.to(which, null);
    if (event.type === "pointercancel") return;
    if (grip === "new" && Math.abs(pixel(event) - x) < 4) times.settle("window", { end: times.time(x + 0) + Math.round(span.length / 2 / times.step()) * times.step(), length: span.length });
    else if (now.end !== span.end || now.length !== span.length) times.settle(which, now);
  };
  root.addEventListener("pointerup", over);
  root.addEventListener("pointercancel", over);
}

function hatch() {
  return svg("defs", {}, svg("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, svg("path", { class: "hatch", d: "M0 0V6" })));
}
