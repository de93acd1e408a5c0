"""Incidents and their messages when what tells them is killed again and again, at random."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alerts.in_flight import AGAIN
from benchmarks.figure import NO_BAR, Bar, Reading
from tests.http_server import HttpServer, Reply
from tests.unit.alerts.killed import TROUBLES
from tests.unit.alerts.test_kills import KILLS, killed_at_random

#: Milliseconds that a second takes, and the bar of messages that come twice. A receiver on this machine answers in
#: some milliseconds: at a hundred times the pace of life that is as slow as real ones are.
PACES: Final = ((10.0, Bar(at_most=1)), (1.0, NO_BAR))
#: How often all of it is done.
TIMES: Final = 3


def measure() -> Iterator[Reading]:
    """The most of several runs, at a hundred and a thousand times the pace of life."""
    for pace, bar in PACES:
        runs = [_killed(pace) for _ in range(TIMES)]
        lost, doubled, marked, keyed = zip(*runs, strict=True)
        note = f"{TIMES} times {KILLS} kills, {TROUBLES} incidents each, {1000 / pace:,.0f} times as fast as life"
        yield Reading(sum(lost), "incidents lost", Bar(at_most=0), note=note)
        said = f"{note}; {sum(doubled)} in all, {sum(marked)} said that they may have come before"
        yield Reading(max(doubled), "messages doubled without keys", bar, note=said)
        yield Reading(max(keyed), "alerts doubled with keys", Bar(at_most=0), note=note)


def _killed(pace_ms: float) -> tuple[int, int, int, int]:
    """Incidents whose end never came, messages that came twice, those that say that they may have, and alerts that a
    receiver with keys would take for two."""
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder,
        HttpServer(lambda _: Reply(200)).running() as hook,
        HttpServer(lambda _: Reply(200)).running() as teams,
    ):
        killed_at_random(Path(folder), hook, teams, pace_ms)
        alerts = [json.loads(post.body)["alert"] for post in hook.posts]
        cards = [post.body.decode() for post in teams.posts]
    told = {(alert["subject"], alert["event"]) for alert in alerts}
    keys = {(alert["subject"], alert["event"], alert["key"]) for alert in alerts}
    marked = sum(AGAIN in card for card in cards)
    twice = Counter(_headline(card) for card in cards)
    lost = TROUBLES - sum((f"s{number}", "resolve") in told for number in range(TROUBLES))
    return lost, sum(times - 1 for times in twice.values()), marked, len(keys) - len(told)


def _headline(card: str) -> str:
    """What tells a message from others, whether it is told again or not."""
    text: str = json.loads(card)["attachments"][0]["content"]["body"][0]["text"]
    return text
