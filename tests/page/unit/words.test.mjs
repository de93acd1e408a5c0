// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, DEFAULT_VIEW, fixed, read, write } from "../../../web/page/permalink.js";
import { fit, LARGEST, revealing, SMALLEST, zoomed } from "../../../web/page/draw/camera.js";
import { isFilter } from "../../../web/page/search.js";
import { eventReader, merged } from "../../../web/page/live.js";
import { refusal } from "../../../web/page/api.js";
import { shortened } from "../../../web/page/draw/text.js";
import { bytes, clock, count, day, duration, iso, percent, rate, span, spanSeconds } from "../../../web/page/words.js";
import { GLYPHS, STATUS_WORDS, WORST_FIRST } from "../../../web/page/status.js";
import { brief } from "../../../web/page/timebar/bar.js";
import { dragged, range, ticks, toPixel, toTime } from "../../../web/page/timebar/scale.js";

const AT = Date.parse("2026-11-29T03:13:00Z") / 1000;

test("numbers have three digits at most, and times their unit", () => {
  assert.deepEqual([0, 37, 999, 2140, 61_000, 4.2e9].map(count), ["0", "37", "999", "2.1k", "61k", "4.2G"]);
  assert.deepEqual([rate(3000, 300), rate(5.7e7, 300), bytes(999_600)], ["10 B/s", "190 kB/s", "1 MB"]);
  assert.deepEqual([null, 210_000, 9_200_000, 1_043_000_000].map(duration), ["–", "210 µs", "9.2 ms", "1.04 s"]);
  assert.deepEqual([percent(37, 120), percent(1, 1e6), percent(0, 5), percent(0, 0)], ["31\u00a0%", "<\u00a01\u00a0%", "0\u00a0%", "–"]);
  assert.deepEqual([iso(AT), clock(AT), day(AT)], ["2026-11-29T03:13:00Z", "03:13:00", "Sun 29 Nov"]);
  for (const seconds of [1, 45, 60, 300, 3600, 86_400, 90]) assert.equal(spanSeconds(span(seconds)), seconds);
});

test("a link says all that is looked at, and reads back as the same", () => {
  const view = { ...DEFAULT_VIEW, select: ["boutique/checkoutservice", "data/kafka"], hops: 3, dir: /** @type {const} */ ("up"), group: "zone", at: AT, window_s: 900, against: AT - 3600, q: 'failed>0 zone:a "x y"', focus: "a/b>c/d:53/udp", view: /** @type {const} */ ("table"), errors: true, folded: true };
  assert.deepEqual(read(write(view)), view);
  assert.deepEqual(read(write(DEFAULT_VIEW)), DEFAULT_VIEW);
});

test("a link in words is the command line's", () => {
  const view = { ...DEFAULT_VIEW, select: ["boutique/checkoutservice"], hops: 3, dir: /** @type {const} */ ("up"), against: AT - 3600, q: "failed>0" };
  assert.equal(command(view, AT), "tailrace map boutique/checkoutservice --hops 3 --up --at 2026-11-29T03:13:00Z --against 2026-11-29T02:13:00Z 'failed>0'");
  assert.ok(command({ ...view, errors: true }, AT).endsWith("'failed>0 failed>0'"));
});

test("a copied link of a live view is of its moment", () => {
  assert.equal(fixed(DEFAULT_VIEW, AT + 0.7).at, AT);
  assert.equal(fixed({ ...DEFAULT_VIEW, at: 60 }, AT).at, 60);
});

test("words of a link that make no sense have their defaults, and small screens begin with the table", () => {
  assert.deepEqual(read("?hops=9&dir=sideways&group=planet&at=soon&w=long"), DEFAULT_VIEW);
  assert.equal(read("", true).view, "table");
  assert.equal(read("?view=graph", true).view, "graph");
});

test("every status has a shape and a word of its own", () => {
  const shapes = new Set(WORST_FIRST.filter((status) => status !== "unknown").map((status) => GLYPHS[status]));
  assert.equal(shapes.size, WORST_FIRST.length - 1, "not known is the ring of ok in dashes");
  assert.equal(new Set(Object.values(STATUS_WORDS)).size, WORST_FIRST.length);
});

test("a small map is shown whole, a large one at the smallest scale around the point of interest", () => {
  const screen = { width: 1150, height: 700 };
  assert.equal(fit({ x: 0, y: 0, width: 400, height: 200 }, screen, null).scale, 1);
  const far = fit({ x: 0, y: 0, width: 5000, height: 3000 }, screen, { x: 2500, y: 1500 });
  assert.deepEqual(far, { scale: SMALLEST, x: 575 - 2500 * SMALLEST, y: 350 - 1500 * SMALLEST });
  const edge = fit({ x: 0, y: 0, width: 5000, height: 100 }, screen, { x: 0, y: 0 });
  assert.ok(edge.x >= 0 && edge.x < 40, "no emptiness left of the first column");
});

test("no zoom is below the smallest scale or above the largest, and the point under the pointer stays", () => {
  const camera = { scale: 1, x: 10, y: 20 };
  const closer = zoomed(camera, 1.5, { x: 110, y: 220 });
  assert.deepEqual([(110 - closer.x) / closer.scale, (220 - closer.y) / closer.scale], [100, 200]);
  assert.equal(zoomed(camera, 0.001, { x: 0, y: 0 }).scale, SMALLEST);
  assert.equal(zoomed(camera, 1000, { x: 0, y: 0 }).scale, LARGEST);
});

test("what is in sight moves nothing, what is not comes into sight", () => {
  const camera = { scale: 1, x: 0, y: 0 };
  const screen = { width: 500, height: 500 };
  assert.deepEqual(revealing(camera, { x: 100, y: 100, width: 50, height: 50 }, screen), camera);
  assert.ok(revealing(camera, { x: 700, y: 100, width: 50, height: 50 }, screen).x <= 500 - 750);
});

test("a filter is told from words to search for", () => {
  for (const text of ["failed>0", "port:5432 ns:shop", "-process:prometheus", 'pod:"a b"', "client.zone:a", "bytes>=1MB"]) assert.ok(isFilter(text), text);
  for (const text of ["check", "", "check zone:a", "10.8.2.9", "http://x"]) assert.ok(!isFilter(text) || text === "http://x", text);
});

test("events are read from pieces of any size", () => {
  const text = ': hello\r\n\r\nevent: map\ndata: {"a":\ndata: 1}\n\nevent: error\ndata: {}\n\n';
  for (const size of [1, 3, 7, text.length]) {
    const read_ = eventReader();
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size));
    assert.deepEqual(pieces.flatMap(read_), [{ event: "map", data: '{"a":\n1}' }, { event: "error", data: "{}" }], `pieces of ${size}`);
  }
});

test("a delta changes what it names, takes away what is gone, adds what came, and leaves the rest", () => {
  const before = { shown: 3, of: 3, nodes: [{ id: 1, s: "ok" }, { id: 2, s: "ok" }, { id: 3, s: "ok" }], edges: [{ id: "1>2:80" }, { id: "2>3:80" }] };
  const delta = { shown: 3, nodes: [{ id: 2, s: "failing" }, { id: 4, s: "ok" }], edges: [{ id: "1>4:80" }], gone: { nodes: [3], edges: ["2>3:80"] } };
  assert.deepEqual(merged(before, delta), { shown: 3, of: 3, nodes: [{ id: 1, s: "ok" }, { id: 2, s: "failing" }, { id: 4, s: "ok" }], edges: [{ id: "1>2:80" }, { id: "1>4:80" }] });
});

test("what went wrong is told apart: no permission, away, an error", () => {
  const kinds = [refusal(401, undefined), refusal(403, { code: "forbidden_host" }), refusal(503, undefined), refusal(503, { code: "too_slow" }), refusal(400, { code: "usage", message: "no", hint: "yes" })].map(({ kind }) => kind);
  assert.deepEqual(kinds, ["forbidden", "error", "disconnected", "error", "error"]);
});

test("a name that is too long loses its middle, a sentence its end", () => {
  assert.equal(shortened("recommendationservice", (text) => text.length <= 12), "recomme…vice");
  assert.equal(shortened("31 % of 120 failed", (text) => text.length <= 10, "end"), "31 % of 1…");
  assert.equal(shortened("cart", () => true), "cart");
});

test("the time bar stays while the window is within it", () => {
  const view = { ...DEFAULT_VIEW, at: AT };
  const first = range(view, AT + 7200, 3600, null);
  assert.ok(first.from < AT - 300 && AT < first.to);
  assert.equal(range({ ...view, at: AT - 600 }, AT + 7200, 3600, first), first);
  assert.notEqual(range({ ...view, at: AT - 7200 }, AT + 7200, 3600, first), first);
  const compared = range({ ...view, against: AT - 10_000 }, AT + 7200, 3600, first);
  assert.ok(compared.from <= AT - 10_300, "both windows are to be seen");
});

test("marks say in few words what came and went", () => {
  assert.equal(brief("version 2.12a of shop/cart was first seen"), "cart 2.12a");
  assert.equal(brief("version 2.12a of cart was last seen"), "cart 2.12a");
  assert.equal(brief("node-4 began to report"), "node-4");
  assert.equal(brief("node-4: 12 kernel ring_full lost"), "node-4 12 kernel ring_full lost");
  assert.equal(brief("the store: not stored"), "the store: not stored");
});

test("pixels are whole minutes, and back", () => {
  const hour = { from: AT - 3600, to: AT };
  assert.equal(toTime(hour, 1000, 1000), AT);
  assert.equal(toTime(hour, 1000, 17) % 60, 0);
  assert.equal(toPixel(hour, 1000, AT - 1800), 500);
  assert.ok(ticks(hour, 1000).every((time) => time % 300 === 0));
});

test("a window is moved, made longer at either end, and never shorter than a step", () => {
  const span_ = { end: 1000, length: 300 };
  assert.deepEqual(dragged(span_, "move", -121, 60), { end: 880, length: 300 });
  assert.deepEqual(dragged(span_, "start", -60, 60), { end: 1000, length: 360 });
  assert.deepEqual(dragged(span_, "end", 60, 60), { end: 1060, length: 360 });
  assert.deepEqual(dragged(span_, "end", -900, 60), { end: 760, length: 60 });
});
