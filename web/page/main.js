// @ts-check
/** Wires the page: what is looked at → questions → answers → map, table, panel, time bar. Read it from top to bottom. */

import { askMap } from "./answers.js";
import { BUDGET, Refused } from "./api.js";
import { badge } from "./badge.js";
import { commands } from "./commands.js";
import { controls } from "./controls.js";
import { byId, idle, say } from "./dom.js";
import { canvas } from "./draw/canvas.js";
import { takeFirst } from "./first.js";
import { keys } from "./keys.js";
import { follow } from "./live.js";
import * as notices from "./notices.js";
import { panel } from "./panel/panel.js";
import { search } from "./search.js";
import { focusKey, nodeOf, show, subjectOf } from "./shown.js";
import { isOtherMap, isOtherQuestion, store } from "./state.js";
import { table } from "./table.js";
import { timebar } from "./timebar/timebar.js";
import { times } from "./times.js";

/** @import { Shown } from "./shown.js" */
/** @import { Answer, Id, MapData, Seconds, View } from "./types.js" */

const NARROW = "(max-width: 760px)";
/** Nodes of a map when more of them are asked for. */
const BUDGET_MORE = { budget: 300, fan: 300 };
/** From so many workloads on the page says how to go about it. */
const MANY = 5000;
/** An answer that takes longer shows that it is waited for. */
const PATIENCE_MS = 250;
const AGAIN_MS = 3000;
/** Refusals that pass by themselves. */
const PASSING = new Set(["busy", "too_many_requests", "too_slow"]);

const state = store(window, matchMedia(NARROW).matches);
/** @type {Shown | null} */
let shown = null;
let size = BUDGET;
/** @type {Set<Id>} stacks that were opened */
let opened = new Set();
/** Whether the next answer keeps the places of the last. */
let kept = false;
/** @type {Seconds | null} the end of the last answer, if nothing came since */
let staleSince = null;
let asking = new AbortController();
let following = { stop: () => {} };
/** Gives up the table that is still to be drawn. */
let unseen = () => {};

const act = commands(state, now, () => time.begins());
const subjects = {
  focus(/** @type {Id | null} */ id) {
    state.set({ focus: id === null ? null : focusKey(shown, id) }, { replace: true });
    if (id !== null) map.reveal(id);
  },
  centre(/** @type {Id} */ id, /** @type {boolean} */ add) {
    const node = nodeOf(shown, id);
    if (!node || node.stack) return;
    const { select } = state.get();
    state.set({ select: add ? [...new Set([...select, node.key])] : [node.key], focus: node.key });
  },
  compare: act.compare,
  open(/** @type {Id} */ stack) {
    opened.add(stack);
    if (shown) take(shown.answer, false);
  },
  more() {
    size = BUDGET_MORE;
    load();
  },
};

const map = canvas(subjects);
const drawTable = table(subjects);
const drawPanel = panel(subjects);
const drawBar = timebar({
  window: (to, length) => state.set({ at: to >= Date.now() / 1000 ? null : to, window_s: length }),
  against: (to) => state.set({ against: to }),
  around: act.around,
});
const searching = search(state.get, {
  select: (key, q) => state.set({ select: key ? [key] : [], q, focus: key || null }),
  event: ({ at, edge, server }) => state.set({ select: [server], q: "", focus: edge, ...act.beforeAndAfter(at) }),
  filter: (q) => state.set({ q: [state.get().q, q].filter(Boolean).join(" ") }),
});
const time = times({ now, length: () => tools.range(), changed: () => drawTimes(state.get()) });
const tools = controls(state, act, { zoom: map.zoom, fit: map.fit, range: () => void time.ask(state.get()), help: () => act.help(KEYS) });

/** @type {import("./keys.js").Key[]} */
const KEYS = [
  { keys: ["/"], shown: "/", does: "search and filter", act: () => searching.focus() },
  { keys: ["1", "2", "3", "4"], shown: "1 2 3 4", does: "hops from the selection", act: (key) => state.set({ hops: Number(key) }) },
  { keys: ["d"], shown: "d", does: "direction: both ways, callers, called", act: act.turn },
  { keys: ["t"], shown: "t", does: "table or map", act: act.view },
  { keys: ["c"], shown: "c", does: "compare with an hour before, or no longer", act: act.compare },
  { keys: ["[", "]"], shown: "[ ]", does: "one window earlier, later", act: (key) => act.step(key === "[" ? -1 : 1) },
  { keys: ["l"], shown: "l", does: "live, or stop here", act: act.live },
  { keys: ["e"], shown: "e", does: "errors only", act: act.errors },
  { keys: ["p"], shown: "p", does: "without proxies: from who asked to who answered", act: act.fold },
  { keys: ["+", "=", "-"], shown: "+ −", does: "closer, farther", act: (key) => map.zoom(key === "-" ? -1 : 1) },
  { keys: ["0"], shown: "0", does: "show all", act: () => map.fit() },
  { keys: ["y"], shown: "y", does: "copy a link that means the same tomorrow", act: () => void act.copyLink() },
  { keys: ["Escape"], shown: "Esc", does: "close the details; again: the whole map", act: act.back },
  { keys: ["?"], shown: "?", does: "this list", act: () => act.help(KEYS) },
];
keys(KEYS);

state.listen((view, before) => {
  if (isOtherMap(view, before)) {
    kept = false;
    size = BUDGET;
    opened = new Set();
  }
  if (isOtherQuestion(view, before)) load();
  else render(false);
});
setInterval(tick, 1000);
load();

/** Asks for the map and for what the time bar shows; a live view is followed after the first answer. */
function load() {
  const view = state.get();
  asking.abort();
  following.stop();
  asking = new AbortController();
  const { signal } = asking;
  byId("map", HTMLElement).ariaBusy = "true";
  const patience = setTimeout(() => waiting(true), shown ? PATIENCE_MS : 0);
  const first = shown === null;
  render(false);
  const answered = askMap(view, size, signal, takeFirst());
  if (!first) void time.ask(view);
  answered
    .then((answer) => {
      take(answer, !kept);
      kept = true;
      if (first) badge();
      if (first) void time.ask(view); // the map comes first, and only now is it known what time it is there
      if (view.at !== null) return;
      following = follow(view, size, { map: (next) => take(next, false), refused });
    })
    .catch((error) => signal.aborted || refused(error))
    .finally(() => {
      clearTimeout(patience);
      if (signal.aborted) return;
      waiting(false);
      byId("map", HTMLElement).ariaBusy = "false";
    });
}

/** @param {boolean} is */
function waiting(is) {
  document.body.classList.toggle("waiting", is);
  if (is && !shown) notices.loading();
}

/** An answer came. @param {Answer<MapData>} answer @param {boolean} fresh whether it is another map */
function take(answer, fresh) {
  staleSince = null;
  shown = show(answer, fresh ? null : shown, opened);
  const { data, window: period } = answer;
  const { select, q, errors, at } = state.get();
  if (data.nodes.length) notices.nothing();
  else if (select.length || q || errors || at !== null || data.of > 0) notices.noMatch(state.get(), act);
  else notices.empty(oldAgents(), { retry: load });
  const part = `${data.shown.toLocaleString("en")} of ${data.of.toLocaleString("en")}`;
  const what = `${state.get().group}s`;
  say(byId("count", HTMLElement), data.nodes.length ? `${part} ${what}` : "");
  if (fresh) say(byId("said", HTMLElement), `Map: ${part} ${what}, ${period.to - period.from} seconds`);
  render(fresh);
}

/** No answer came: a picture that is there stays, and says of when it is. @param {unknown} error */
function refused(error) {
  const known = error instanceof Refused ? error : new Refused("error", "page", error instanceof Error ? error.message : String(error), "");
  if (known.kind === "disconnected" || PASSING.has(known.code)) setTimeout(again, AGAIN_MS, asking.signal);
  if (shown && known.kind === "disconnected") {
    staleSince ??= shown.answer.window.to;
    return render(false);
  }
  shown = null;
  render(false);
  return notices.refusedNotice(known, { retry: load, home: act.home, alone: state.get().against === null ? null : act.compare });
}

/** @param {AbortSignal} signal of the question that failed */
function again(signal) {
  if (!signal.aborted) load();
}

/** Draws everything that is known. @param {boolean} fit */
function render(fit) {
  const view = state.get();
  document.body.classList.toggle("as-table", view.view === "table");
  document.body.classList.toggle("without-map", shown === null);
  document.title = `${view.select.join(", ") || "map"} – Tailrace`;
  drawTimes(view);
  const lines = [notices.greeting(() => render(false)), staleSince === null ? null : notices.stale(staleSince), ...lacks(view)];
  notices.banner(lines.filter((line) => line !== null));
  if (!shown) return;
  const subject = subjectOf(shown, view.focus);
  map.show(shown, subject && ("edge" in subject ? subject.edge.id : subject.node.id), { fit });
  const rows = () => shown && drawTable(shown, subject && "edge" in subject ? subject.edge.id : null, view.view === "table");
  unseen();
  if (view.view === "table") rows();
  else unseen = idle(rows); // what is not looked at comes after what is
  drawPanel(view, shown);
}

/** What stands beside and in the time bar. @param {View} view */
function drawTimes(view) {
  tools.show(view, now());
  drawBar({ view, now: now(), range: time.range(view), ...time.known() });
}

/** Lines about what the answer lacks. @param {View} view */
function lacks(view) {
  if (!shown) return [];
  const { data } = shown.answer;
  const old = oldAgents();
  const byNamespace = () => state.set({ group: "namespace", select: [] });
  return [data.of >= MANY && view.group !== "namespace" ? notices.many(data.shown, data.of, byNamespace) : null, old.length ? notices.oldAgents(old) : null];
}

/** Nodes whose agents do not report all. */
function oldAgents() {
  const gaps = shown?.answer.ledger.gaps ?? [];
  return [...new Set(gaps.filter(({ reason }) => reason === "agent_too_old").map(({ node }) => node))];
}

/** Once a second: the clock of a live view, and the time bar now and then. */
function tick() {
  const view = state.get();
  if (view.at !== null || document.hidden || !shown) return;
  tools.show(view, now());
  void time.refresh(view);
}

/** The end of what is known: that of the last live answer, by the server's clock. */
function now() {
  const live = shown && state.get().at === null ? shown.answer.window.to : null;
  return live ?? Math.floor(Date.now() / 1000);
}
