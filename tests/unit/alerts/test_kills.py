"""Killed at any time, no incident is lost, opened twice or told under two names."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from alerts.in_flight import AGAIN
from tests.http_server import HttpServer, Reply
from tests.unit.alerts.killed import TROUBLES

KILLS = 20


def killed_at_random(folder: Path, hook: HttpServer, teams: HttpServer, second_ms: float = 1) -> None:
    """So many times, and then not any more.

    :param second_ms: that a second takes: the shorter, the more often a message is on its way.
    """
    (folder / "teams").write_text(teams.url)
    chance = random.Random(9)
    places = (str(folder), hook.url, str(folder / "teams"))
    command = [sys.executable, "-m", "tests.unit.alerts.killed", *places, str(second_ms)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as parent:  # type: ignore[call-overload]
        for kill in range(KILLS + 1):
            print("go", file=parent.stdin, flush=True)
            child = int(parent.stdout.readline().split()[1])
            if kill < KILLS:
                for _ in range(chance.randrange(1, 25)):
                    parent.stdout.readline()
                time.sleep(chance.random() * second_ms / 1000)  # anywhere in the second
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
        cards = [json.loads(post.body) for post in teams.posts]
    by_id = {f"{alert['key']}/{alert['revision']}": alert for alert in alerts}
    events: dict[str, list[tuple[str, str]]] = {}
    for alert in by_id.values():
        events.setdefault(alert["subject"], []).append((alert["key"], alert["event"]))
    assert sorted(events) == sorted(f"s{number}" for number in range(TROUBLES))
    for told in events.values():
        assert (len({key for key, _ in told}), [event for _, event in told]) == (1, ["open", "resolve"])
    headlines = Counter(card["attachments"][0]["content"]["body"][0]["text"] for card in cards)
    assert len(headlines) == 2 * TROUBLES
    marked = [card for card in cards if AGAIN in json.dumps(card)]
    plain = [json.dumps(card) for card in cards if card not in marked]
    assert len(plain) == len(set(plain))
    assert headlines.total() - len(headlines) <= len(marked) <= KILLS
