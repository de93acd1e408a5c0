// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ROW } from "../../../web/page/layout/layered.js";
import { edgeKey, focusKey, next, show, subjectOf } from "../../../web/page/shown.js";
import { rows } from "../../../web/page/table.js";
import { stacked } from "../../../web/page/layout/stacks.js";
import { answer, changed, edge, node } from "./fixtures.mjs";

const NONE = new Set(/** @type {string[]} */ ([]));

/** @param {import("../../../web/page/shown.js").Shown} shown @param {string} name */
const drawn = (shown, name) => shown.picture.nodes.find((one) => one.name === name) ?? assert.fail(`no ${name}`);

test("a second later the same answer gives the same picture", () => {
  const first = show(answer("boutique"), null, NONE);
  assert.deepEqual(show(answer("boutique"), first, NONE).picture, first.picture);
});

test("traffic that changes moves nothing", () => {
  const first = show(answer("boutique"), null, NONE);
  const before = answer("boutique");
  const busier = changed(before, { edges: before.data.edges.map((one, at) => ({ ...one, bytes: one.bytes * (1 + (at % 5)) })) });
  const after = show(busier, first, NONE);
  assert.deepEqual(after.picture.nodes, first.picture.nodes);
  assert.deepEqual(after.picture.edges.map(({ line }) => line), first.picture.edges.map(({ line }) => line));
});

test("a node that comes moves the others by half a row on average at most", () => {
  const before = answer("boutique");
  const first = show(before, null, NONE);
  const came = node(before.data.nodes[0], "came");
  const after = show(changed(before, { nodes: [came, ...before.data.nodes], edges: [edge(before.data.edges[0], before.data.nodes[0].id, "came"), ...before.data.edges] }), first, NONE);
  const moved = first.picture.nodes.map((one) => Math.hypot(one.x - drawn(after, one.name).x, one.y - drawn(after, one.name).y) / ROW);
  assert.ok(moved.reduce((sum, by) => sum + by, 0) / moved.length <= 0.5);
});

test("300 callers are five that are well, the three that fail, and one stack of the rest", () => {
  const { nodes, edges } = stacked(answer("fan_out").data);
  assert.equal(nodes.length, 1 + 5 + 3 + 1);
  assert.deepEqual(edges.filter(({ failed }) => failed).length, 3);
  assert.equal(nodes.find(({ stack }) => stack)?.name, "+ 292 callers");
});

test("a stack has the traffic of all that it hides, and opens", () => {
  const { data } = answer("fan_out");
  const folded = stacked(data);
  const sum = (/** @type {{ bytes: number }[]} */ edges) => edges.reduce((all, { bytes }) => all + bytes, 0);
  assert.equal(sum(folded.edges), sum(data.edges));
  const stack = folded.nodes.find(({ stack: number }) => number)?.id ?? "";
  assert.equal(stacked(data, new Set([stack])).nodes.length, 301);
});

test("what the answer counts but does not have stands in the stack of the selection, and beside other nodes", () => {
  const { data } = answer("fan_out");
  const few = { ...data, nodes: data.nodes.slice(0, 9).map((one, at) => (at ? one : { ...one, left_out: { up: 292, down: 0 } })), edges: data.edges.slice(0, 8) };
  const stack = stacked(few).nodes.find(({ stack: number }) => number);
  assert.equal(stack?.stack, 292 + 2, "seven are well, of which five stand alone");
  const huge = show(answer("huge"), null, NONE);
  assert.equal(huge.map.nodes.filter(({ stack: number }) => number).length, 0);
  assert.ok(huge.picture.nodes.some(({ up }) => up === "+37"));
});

test("the failing edge says how many were refused and how long connects took", () => {
  const { picture, map } = show(answer("boutique"), null, NONE);
  const wrong = map.edges.find(({ failed }) => failed);
  assert.deepEqual(picture.edges.find(({ id }) => id === wrong?.id)?.words, ["✖ 37 refused", "p99 1.04 s"]);
  assert.equal(drawn({ picture, map, layout: show(answer("boutique"), null, NONE).layout, answer: answer("boutique") }, "paymentservice").sub, "31\u00a0% of 120 failed");
});

test("compared with another time new, gone and changed ones are told by words", () => {
  const { picture } = show(answer("compared"), null, NONE);
  const words = picture.edges.flatMap((one) => one.words);
  for (const word of ["+ new", "✕ gone", "bytes ×4.2", "p99 ×3.1"]) assert.ok(words.includes(word), word);
  assert.equal(picture.nodes.find(({ name }) => name === "legacy-export")?.status, "gone");
  assert.equal(picture.nodes.find(({ name }) => name === "198.51.100.20")?.status, "new");
});

test("all that is wrong has words, and each stands somewhere", () => {
  for (const name of /** @type {const} */ (["boutique", "compared", "fan_out", "huge"])) {
    const { picture } = show(answer(name), null, NONE);
    for (const one of picture.edges) if (["failing", "degraded", "new", "gone"].includes(one.status)) assert.ok(one.words.length && one.words_at, `${name} ${one.id}`);
  }
});

test("a link names an edge by its ends, and finds it again", () => {
  const shown = show(answer("boutique"), null, NONE);
  const failing = shown.map.edges.find(({ failed }) => failed) ?? assert.fail();
  assert.equal(edgeKey(shown.map, failing), "boutique/checkoutservice>boutique/paymentservice:50051");
  assert.deepEqual(subjectOf(shown, focusKey(shown, failing.id)), { edge: failing });
  assert.equal(subjectOf(shown, "nobody/knows"), null);
});

test("an arrow key goes along the worst edge first, and up and down the column", () => {
  const shown = show(answer("boutique"), null, NONE);
  const checkout = drawn(shown, "checkoutservice").id;
  assert.equal(next(shown, checkout, "ArrowRight"), drawn(shown, "paymentservice").id);
  assert.equal(next(shown, checkout, "ArrowLeft"), drawn(shown, "frontend").id);
  const below = next(shown, drawn(shown, "adservice").id, "ArrowDown") ?? assert.fail();
  assert.equal(next(shown, below, "ArrowUp"), drawn(shown, "adservice").id);
});

test("the table has the rows of the map, stacked or not, the worst first", () => {
  const shown = show(answer("fan_out"), null, NONE);
  const list = rows(shown, 0, false);
  assert.equal(list.length, 300);
  assert.deepEqual(list.slice(0, 3).map(({ edge: one }) => one.status), ["failing", "failing", "failing"]);
  assert.equal(rows(shown, 0, true).at(-1)?.edge.status, "failing");
});
