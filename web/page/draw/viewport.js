// @ts-check
/** The part of the map that is seen, as it is moved: by the pointer, keys, the corner's small map, the window's size. On paper it is the whole. */

import { byId, put, sized } from "../dom.js";
import { NODE } from "../layout/routes.js";
import { extent, interest } from "../shown.js";
import { fit, revealing, zoomed } from "./camera.js";
import { minimap } from "./minimap.js";

/** @import { Camera } from "./camera.js" */
/** @import { Shown } from "../shown.js" */
/** @import { Id, Point } from "../types.js" */

const ZOOM_STEP = 1.25;

/** @typedef {ReturnType<typeof viewport>} Viewport */

/** @param {SVGSVGElement} element @param {() => Shown | null} shown */
export function viewport(element, shown) {
  /** @type {Camera} */
  let camera = { scale: 1, x: 0, y: 0 };
  /** Whether the reader moved it: then it stays. */
  let moved = false;
  const screen = sized(element, () => (paper.matches ? undefined : moved ? look(camera) : whole()));
  const look = (/** @type {Camera} */ to) => {
    camera = to;
    put(byId("world", SVGGElement), { transform: `translate(${camera.x.toFixed(1)} ${camera.y.toFixed(1)}) scale(${camera.scale.toFixed(3)})` });
    corner.look(camera, screen());
  };
  const go = (/** @type {Camera} */ to) => {
    moved = true;
    look(to);
  };
  const corner = minimap(({ x, y }) => {
    const { width, height } = screen();
    go({ scale: camera.scale, x: width / 2 - x * camera.scale, y: height / 2 - y * camera.scale });
  });
  const whole = () => {
    moved = false;
    const now = shown();
    if (now) look(fit(extent(now), screen(), interest(now)));
  };
  const paper = matchMedia("print");
  const print = () => {
    const now = shown();
    if (!now || !paper.matches) {
      put(element, { viewBox: null });
      return look(camera);
    }
    const { x, y, width, height } = extent(now);
    put(element, { viewBox: `${x - 4} ${y - 4} ${width + 8} ${height + 8}` });
    return byId("world", SVGGElement).removeAttribute("transform");
  };
  paper.addEventListener("change", print);
  return {
    camera: () => camera,
    go,
    fit: whole,
    /** The picture changed. @param {boolean} other whether it is another map */
    drawn(other) {
      const now = shown();
      if (now) corner.show(now.picture, extent(now));
      if (other) whole();
      else look(camera);
    },
    /** @param {number} by steps */
    zoom(by) {
      const { width, height } = screen();
      go(zoomed(camera, ZOOM_STEP ** by, { x: width / 2, y: height / 2 }));
    },
    /** @param {number} by @param {Point} around */
    zoomAt: (by, around) => go(zoomed(camera, by, around)),
    /** Moves no more than needed to see a node. @param {Id} id */
    reveal(id) {
      const node = shown()?.picture.nodes.find((one) => one.id === id);
      if (node) look(revealing(camera, { x: node.x - NODE.width / 2, y: node.y - NODE.height / 2, ...NODE }, screen()));
    },
  };
}
