// @ts-check
/** The panel while nothing is chosen: what is wrong, what changed. */

import { button, html } from "../dom.js";
import { changeWords, compareStatus, edgeStatus } from "../status.js";
import { bytes, exact, percent, plural } from "../words.js";
import { edgeList, section, wrongWords } from "./sections.js";
import { legend } from "./legend.js";

/** @import { Context } from "./panel.js" */
/** @import { MapEdge } from "../types.js" */

const ROWS = 12;

/** @param {Context} context @returns {(Node | null)[]} */
export function overview(context) {
  const { edges } = context.shown.answer.data;
  const wrong = edges.filter((edge) => ["failing", "degraded"].includes(edgeStatus(edge)));
  wrong.sort((a, b) => compareStatus(edgeStatus(a), edgeStatus(b)) || b.failed + b.requests_failed + b.queries_failed - a.failed - a.requests_failed - a.queries_failed || b.retransmits - a.retransmits);
  return [
    html("h2", {}, context.view.select.length ? context.view.select.join(", ") : "What is wrong, what changed"),
    wrong.length
      ? section(`Wrong in this window (${wrong.length})`, edgeList(wrong.slice(0, ROWS), context, wrongWords))
      : section("Wrong in this window", html("p", {}, "Nothing that is shown fails.")),
    changes(context, edges),
    gaps(context),
    legend(),
  ];
}

/** @param {Context} context @param {MapEdge[]} edges */
function changes(context, edges) {
  if (context.view.against === null)
    return section("Changed", html("p", {}, "Not compared with another time."), html("div", { class: "buttons" }, button("Compare with an hour before", () => context.compare())));
  const changed = edges.filter(({ change }) => change && change.state !== "same");
  changed.sort((a, b) => (b.change?.score ?? 0) - (a.change?.score ?? 0));
  if (!changed.length) return section("Changed", html("p", {}, "Nothing that is shown differs from the other window."));
  return section(`Changed, the most surprising first (${changed.length})`, edgeList(changed.slice(0, ROWS), context, changeSentence));
}

/** @param {MapEdge} edge */
export function changeSentence({ change, bytes: sent, reply_bytes }) {
  if (!change) return "";
  if (change.state === "new") return `new: ${bytes(sent + reply_bytes)}`;
  if (change.state === "gone") return `gone: ${bytes(change.bytes[0])} before`;
  const [before, now] = change.failed;
  const wrong = change.requests_failed.map((failed, at) => percent(failed, change.requests[at]));
  const failed = before !== now ? [`failed ${exact(before)} → ${exact(now)}`] : wrong[0] !== wrong[1] && change.requests[0] ? [`errors ${wrong[0]} → ${wrong[1]}`] : [];
  const rest = changeWords(change).filter((words) => !failed.length || !words.startsWith("failed"));
  return [...failed, ...rest].join(" · ");
}

/** What the answer cannot know. @param {Context} context */
function gaps({ shown }) {
  const { gaps: list } = shown.answer.ledger;
  if (!list.length) return null;
  const lines = list.slice(0, ROWS).map(({ node, from, to, reason, detail, lost }) =>
    html("li", {}, `${node || "the store"}: ${reason.replaceAll("_", " ")}, ${plural(to - from, "second")}${lost ? `, ${plural(lost, "row")} lost` : ""}`, detail ? html("span", { class: "dim" }, ` (${detail})`) : null),
  );
  return section("Not known in this window", html("ul", {}, ...lines));
}
