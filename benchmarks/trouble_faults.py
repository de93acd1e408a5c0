"""Real faults in a small cluster, all at once, of services of their own: from each to the message of its cause."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.figure import Bar, Reading
from tests.beds.fleet import Fleet, connects, fleet
from tests.beds.fleet_faults import FAULTS, Fault
from tests.beds.watch import Program
from tests.http_server import HttpServer, Post, Reply

BAR: Final = Bar(at_most=60)
#: Connects that an edge has to have had, at some 30 a second: for six whole ticks it only teaches, and it is given
#: three more.
TAUGHT: Final = 2700
#: Seconds for that, and seconds after which a fault was not found: the whole takes less than five minutes.
TEACHING_S: Final = 160
LONGEST_S: Final = 90
#: What these faults need, and what they need nothing of; said of every figure otherwise by ``benchmarks.run``.
SWITCHES: Final = {
    f"TAILRACE_{name}_ENABLED": "on" for name in ("TROUBLE", "HTTP", "UDP", "DNS", "DROPS")
} | {f"TAILRACE_{name}": "off" for name in ("STORE_ENABLED", "HTTP_TLS", "ENVOY_ENABLED", "WEB_ENABLED")}


@dataclass(frozen=True)
class Made:
    """A fault that is there.

    :param at: Unix seconds.
    """

    name: str
    fault: Fault
    at: float


def measure() -> Iterator[Reading]:
    """Seconds of each, with ticks as they are if nothing is said."""
    posts: list[tuple[float, dict[str, Any]]] = []

    def take(post: Post) -> Reply:
        posts.append((time.time(), json.loads(post.body)["alert"]))
        return Reply(200)

    hook = HttpServer(take)
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name,
        hook.running(),
        fleet(Path(name)) as made,
    ):
        folder = Path(name)
        rows, settings = folder / "rows", folder / "tailrace.yaml"
        whole = {
            "namespaces": made.ground.made,
            "trouble": {"path": str(folder / "trouble")},
            "alerts": {"targets": [{"name": "webhook", "settings": {"url": hook.url}}]},
        }
        settings.write_text(json.dumps(whole))
        command = ["run", "--config", str(settings), "--sink", f"jsonl:{rows}", "--stage", "workloads"]
        environment = made.api.environment(folder) | SWITCHES
        with Program.started(*command, environment=environment) as program:
            if not _within(TEACHING_S, lambda: connects(rows) >= TAUGHT, program):
                note = f"an edge had {connects(rows)} connects in {TEACHING_S} s: too few to learn from"
                yield Reading(None, "s", BAR, note=note)
                return
            faults = [_made(name, fault, made) for name, fault in FAULTS.items()]
            _within(LONGEST_S, lambda: all(_first_alert(posts, each) for each in faults), program)
            yield from (_reading(each, _first_alert(posts, each)) for each in faults)
            program.stop()


def _within(seconds: float, condition: Callable[[], bool], program: Program) -> bool:
    """Whether it came true in this time."""
    until = time.monotonic() + seconds
    while not condition():
        program.alive()
        if time.monotonic() > until:
            return False
        time.sleep(0.25)
    return True


def _made(name: str, fault: Fault, cluster: Fleet) -> Made:
    begin = time.time()
    fault.make(cluster)
    return Made(name, fault, begin)


def _first_alert(
    posts: list[tuple[float, dict[str, Any]]], made: Made
) -> tuple[float, dict[str, Any]] | None:
    """When it came, and what it said; None: nothing came since that hits who is hit."""
    for at, alert in posts:
        if at >= made.at and alert["subject"].rpartition("/")[2] in _subjects(made.fault):
            return at, alert
    return None


def _subjects(fault: Fault) -> set[str]:
    """Workloads that are hit, and nodes whose are."""
    return {*fault.services, *fault.where.values()}


def _reading(made: Made, first: tuple[float, dict[str, Any]] | None) -> Reading:
    if first is None:
        return Reading(None, "s", BAR, note=f"{made.name}: not found in {LONGEST_S} s")
    at, alert = first
    right = made.fault.where.items() <= alert["where"].items()
    what = " and ".join(f"{key} {value}" for key, value in alert["where"].items()) or "nothing separates"
    return Reading(at - made.at, "s", BAR, note=f"{made.name}: {'right' if right else 'WRONG'}, {what}")
