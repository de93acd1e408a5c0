// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { COLUMN, layered, ROW } from "../../../web/page/layout/layered.js";
import { lines, NODE } from "../../../web/page/layout/routes.js";
import { overlap, places } from "../../../web/page/layout/labels.js";
import { company } from "./fixtures.mjs";

/** @import { Layout } from "../../../web/page/types.js" */

const CHAIN = { ids: ["web", "cart", "db"], edges: [{ from: "web", to: "cart" }, { from: "cart", to: "db" }, { from: "web", to: "db" }] };

/** @param {Layout} layout @param {string} id */
const at = (layout, id) => layout.position.get(id) ?? assert.fail(`${id} has no place`);

/** Rows by which those that were there move, on average. @param {Layout} before @param {Layout} after @param {string[]} ids */
function rowsMoved(before, after, ids) {
  const moved = ids.map((id) => Math.hypot(at(before, id).x - at(after, id).x, at(before, id).y - at(after, id).y) / ROW);
  return moved.reduce((sum, rows) => sum + rows, 0) / moved.length;
}

test("callers stand left of those that they call", () => {
  const layout = layered(CHAIN.ids, CHAIN.edges);
  assert.deepEqual(CHAIN.ids.map((id) => at(layout, id).layer), [0, 1, 2]);
  assert.equal(at(layout, "db").x, 2 * COLUMN);
});

test("a circle is laid out, and each of its edges has a line from the caller to the called", () => {
  const layout = layered(["a", "b", "c"], [{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "c", to: "a" }]);
  const back = layout.route("c", "a");
  assert.equal(back[0].x, at(layout, "c").x);
  assert.equal(back.at(-1)?.x, at(layout, "a").x);
  assert.equal(back.length, 3, "it goes through the column between");
});

test("nobody stands on somebody else", () => {
  const { ids, edges } = company(200, 600);
  const layout = layered(ids, edges);
  const boxes = ids.map((id) => ({ x: at(layout, id).x, y: at(layout, id).y, ...NODE }));
  for (const [index, a] of boxes.entries()) for (const b of boxes.slice(index + 1)) assert.ok(a.x !== b.x || Math.abs(a.y - b.y) >= ROW - 1e-6);
});

test("a refresh without a change moves nothing, also in another order of the answer", () => {
  const { ids, edges } = company(120, 300);
  const before = layered(ids, edges);
  const after = layered([...ids].reverse(), [...edges].reverse(), before.position);
  for (const id of ids) {
    assert.ok(Math.abs(at(before, id).y - at(after, id).y) < 1e-6, id);
    assert.equal(at(before, id).x, at(after, id).x, id);
  }
});

test("one new node moves the others by half a row on average at most, wherever it comes", () => {
  const { ids, edges } = company(40, 70);
  const before = layered(ids, edges);
  for (const caller of ids) {
    const after = layered([...ids, "new"], [...edges, { from: caller, to: "new" }], before.position);
    assert.ok(rowsMoved(before, after, ids) <= 0.5, `called by ${caller}: ${rowsMoved(before, after, ids)} rows`);
  }
});

test("one that goes, and two that come, move the others by half a row on average at most", () => {
  const { ids, edges } = company(40, 70);
  const before = layered(ids, edges);
  for (const gone of ids) {
    const kept = ids.filter((id) => id !== gone);
    const came = [{ from: kept[0], to: "new-1" }, { from: "new-1", to: kept[30] }, { from: kept[3], to: "new-2" }];
    const left = edges.filter(({ from, to }) => from !== gone && to !== gone);
    const after = layered([...kept, "new-1", "new-2"], [...left, ...came], before.position);
    assert.ok(rowsMoved(before, after, kept) <= 0.5, `without ${gone}: ${rowsMoved(before, after, kept)} rows`);
  }
});

test("a caller that comes before the first column stands left of it, and moves no column", () => {
  const before = layered(CHAIN.ids, CHAIN.edges);
  const after = layered(["ingress", ...CHAIN.ids], [{ from: "ingress", to: "web" }, ...CHAIN.edges], before.position);
  assert.equal(at(after, "ingress").layer, -1);
  assert.equal(at(after, "web").x, at(before, "web").x);
});

test("a line begins at the caller's side and ends before the called one's", () => {
  const layout = layered(CHAIN.ids, CHAIN.edges);
  const points = lines(CHAIN.edges.map((edge) => ({ ...edge, id: `${edge.from}>${edge.to}` })), layout).get("web>cart") ?? [];
  assert.equal(points[0].x, NODE.width / 2);
  assert.ok(points[1].x < COLUMN - NODE.width / 2);
});

test("a node that calls itself on many ports has one loop at its side", () => {
  const edges = [80, 81, 82].map((port) => ({ id: `a>a:${port}`, from: "a", to: "a" }));
  const layout = layered(["a", "b"], [...edges, { from: "a", to: "b" }]);
  const found = [...lines([...edges, { id: "a>b", from: "a", to: "b" }], layout).values()].slice(0, 3);
  for (const [begin, end] of found) {
    assert.deepEqual([begin.x, begin.y], [NODE.width / 2, at(layout, "a").y - 12]);
    assert.equal(end.y, at(layout, "a").y + 12);
    assert.ok(end.x > NODE.width / 2, "it comes back to the same side");
  }
});

test("words at lines cover neither nodes nor each other while there is room", () => {
  const layout = layered(["a", "b", "c", "d"], [{ from: "a", to: "b" }, { from: "a", to: "c" }, { from: "a", to: "d" }]);
  const edges = ["b", "c", "d"].map((to) => ({ id: to, from: "a", to }));
  const paths = lines(edges, layout);
  const size = { width: 110, height: 36 };
  const nodes = ["a", "b", "c", "d"].map((id) => ({ x: at(layout, id).x - NODE.width / 2, y: at(layout, id).y - NODE.height / 2, ...NODE }));
  const found = places(edges.map(({ id }) => ({ id, points: paths.get(id) ?? [], ...size, needed: true, end: /** @type {"last"} */ ("last") })), nodes);
  const boxes = [...nodes, ...[...found.values()].map(({ x, y }) => ({ x: x - size.width / 2, y: y - size.height / 2, ...size }))];
  assert.equal(boxes.length, 7);
  for (const [index, a] of boxes.entries()) for (const b of boxes.slice(index + 1)) assert.ok(!overlap(a, b));
});

test("words that are not needed are left out where there is no room", () => {
  const points = [{ x: 0, y: 0 }, { x: 100, y: 0 }];
  const wanted = { points, width: 50, height: 18, end: /** @type {"first"} */ ("first") };
  const found = places([{ ...wanted, id: "traffic", needed: false }, { ...wanted, id: "failed", needed: true }], [{ x: -100, y: -40, width: 300, height: 80 }]);
  assert.deepEqual([...found.keys()], ["failed"]);
});
