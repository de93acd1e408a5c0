"""Killed at any time, no incident is lost, opened twice or told under two names."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from alerts.in_flight import AGAIN
from tests.http_server import HttpServer, Reply
from tests.unit.alerts.killed import TROUBLES

KILLS = 20


def killed_at_random(folder: Path, hook: HttpServer, teams: HttpServer) -> None:
    """So many times, and then not any more."""
    (folder / "teams").write_text(teams.url)
    chance = random.Random(9)
    command = [sys.executable, "-m", "tests.unit.alerts.killed", str(folder), hook.url, str(folder / "teams")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as parent:  # type: ignore[call-overload]
        for kill in range(KILLS + 1):
            print("go", file=parent.stdin, flush=True)
            child = int(parent.stdout.readline().split()[1])
            if kill < KILLS:
                for _ in range(chance.randrange(1, 25)):
                    parent.stdout.readline()
                os.kill(child, signal.SIGKILL)
            end = next(line for line in parent.stdout if line.startswith("end"))
            assert end.split() == ["end", "-9" if kill < KILLS else "0"]
        parent.stdin.close()


def test_twenty_kills_at_random(tmp_path: Path) -> None:
    """Every incident opens and ends at both receivers, under one key each.

    What comes twice to one that knows keys is the same to it. One without keys is told the same words once: what may
    have come before says so.
    """
    with (
        HttpServer(lambda _: Reply(200)).running() as hook,
        HttpServer(lambda _: Reply(200)).running() as teams,
    ):
        killed_at_random(tmp_path, hook, teams)
        alerts = [json.loads(post.body)["alert"] for post in hook.posts]
        cards = [post.body for post in teams.posts]
    by_id = {f"{alert['key']}/{alert['revision']}": alert for alert in alerts}
    events: dict[str, list[tuple[str, str]]] = {}
    for alert in by_id.values():
        events.setdefault(alert["subject"], []).append((alert["key"], alert["event"]))
    assert sorted(events) == sorted(f"s{number}" for number in range(TROUBLES))
    for told in events.values():
        assert (len({key for key, _ in told}), [event for _, event in told]) == (1, ["open", "resolve"])
    words = [card.replace(f"\\n{AGAIN}".encode(), b"") for card in cards]
    assert len(set(words)) == 2 * TROUBLES
    plain = [card for card, same in zip(cards, words, strict=True) if card == same]
    assert len(plain) == len(set(plain))
    assert len(cards) - len(plain) <= KILLS
