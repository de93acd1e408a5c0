// @ts-check
/** The whole map in a corner while only a part of it is seen: where one is, and what fails elsewhere. */

import { byId, keyed, put, svg } from "../dom.js";
import { NODE } from "../layout/routes.js";

/** @import { Camera } from "./camera.js" */
/** @import { Picture, DrawnNode } from "./picture.js" */
/** @import { Box, Point } from "../types.js" */

const MARGIN = 60;
/** Statuses that are drawn larger, so that they are found. */
const LOUD = new Set(["failing", "degraded", "new", "gone"]);
const GROWTH = 1.35;

/**
 * @param {(middle: Point) => void} go
 * @returns {{ show: (picture: Picture, extent: Box) => void, look: (camera: Camera, screen: { width: number, height: number }) => void }}
 */
export function minimap(go) {
  const root = byId("minimap", SVGSVGElement);
  const spots = svg("g");
  const seen = svg("rect", { class: "seen" });
  root.append(spots, seen);
  /** @type {Map<string, SVGRectElement>} */
  const made = new Map();
  let content = { x: 0, y: 0, width: 1, height: 1 };
  const point = (/** @type {PointerEvent} */ event) => {
    const matrix = root.getScreenCTM()?.inverse();
    if (matrix && event.buttons & 1) go(new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix));
  };
  root.addEventListener("pointerdown", point);
  root.addEventListener("pointermove", point);
  return {
    show({ nodes }, extent) {
      content = extent;
      put(root, { viewBox: `${extent.x - MARGIN} ${extent.y - MARGIN} ${extent.width + 2 * MARGIN} ${extent.height + 2 * MARGIN}` });
      keyed(spots, made, nodes, { key: ({ id }) => id, make: () => svg("rect"), change: spot });
    },
    look({ scale, x, y }, { width, height }) {
      const part = { x: -x / scale, y: -y / scale, width: width / scale, height: height / scale };
      put(seen, part);
      root.classList.toggle("hidden", part.x <= content.x && part.y <= content.y && part.x + part.width >= content.x + content.width && part.y + part.height >= content.y + content.height);
    },
  };
}

/** @param {SVGRectElement} element @param {DrawnNode} node */
function spot(element, { x, y, status }) {
  const by = LOUD.has(status) ? GROWTH : 1;
  const [width, height] = [NODE.width * by, NODE.height * by];
  put(element, { class: `spot ${status}`, x: x - width / 2, y: y - height / 2, width, height, rx: 8 });
}
