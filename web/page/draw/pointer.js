// @ts-check
/** Pan, zoom and click. */

/** @import { Camera } from "./camera.js" */
/** @import { Viewport } from "./viewport.js" */

/** Pixels that a pointer may move and still click. */
const CLICK_RANGE = 4;
const WHEEL_ZOOM = 1.002;

/**
 * A wheel pans, with Ctrl it zooms (as a pinch does); a drag pans; one that hardly moved has clicked.
 * @param {SVGSVGElement} element
 * @param {Viewport} view
 * @param {(event: MouseEvent) => void} clicked
 */
export function pointer(element, view, clicked) {
  element.addEventListener("wheel", (event) => wheel(event, view), { passive: false });
  /** @type {{ x: number, y: number, camera: Camera } | null} */
  let start = null;
  let far = false;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = { x: event.clientX, y: event.clientY, camera: view.camera() };
    far = false;
  });
  element.addEventListener("pointermove", (event) => {
    if (!start || !(event.buttons & 1)) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    if (!far && Math.hypot(dx, dy) < CLICK_RANGE) return;
    if (!far) element.setPointerCapture(event.pointerId);
    far = true;
    view.go({ ...start.camera, x: start.camera.x + dx, y: start.camera.y + dy });
  });
  element.addEventListener("pointerup", () => (start = null));
  element.addEventListener("click", (event) => {
    if (!far) clicked(event);
    far = false;
  });
}

/** @param {WheelEvent} event @param {Viewport} view */
function wheel(event, view) {
  event.preventDefault();
  const { x, y, scale } = view.camera();
  if (event.ctrlKey || event.metaKey) view.zoomAt(WHEEL_ZOOM ** -event.deltaY, { x: event.offsetX, y: event.offsetY });
  else view.go({ scale, x: x - event.deltaX, y: y - event.deltaY });
}
