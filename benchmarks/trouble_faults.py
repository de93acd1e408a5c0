"""Real faults in a small cluster, one after the other: from each to the message that names its cause."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.figure import Bar, Reading
from tests.beds.fleet import connects, fleet
from tests.beds.fleet_faults import FAULTS, Fault
from tests.beds.watch import Program, await_that
from tests.http_server import HttpServer, Reply

BAR: Final = Bar(at_most=60)
#: Connects that an edge has to have had in whole ticks before it can be ill, and two ticks more.
TAUGHT: Final = 1400
#: Seconds after which a fault was not found, and between two of them.
LONGEST_S: Final = 180
PAUSE_S: Final = 10


def measure() -> Iterator[Reading]:
    """Seconds of each, with ticks as they are if nothing is said; those before it are still there."""
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name,
        HttpServer(lambda _: Reply(200)).running() as hook,
        fleet(Path(name)) as made,
    ):
        folder = Path(name)
        rows, settings = folder / "rows", folder / "tailrace.yaml"
        target = {"name": "webhook", "settings": {"url": hook.url}}
        trouble = {"enabled": "on", "path": str(folder / "trouble")}
        whole = {"namespaces": made.ground.made, "trouble": trouble, "alerts": {"targets": [target]}}
        settings.write_text(json.dumps(whole))
        command = ["run", "--config", str(settings), "--sink", f"jsonl:{rows}", "--stage", "workloads"]
        environment = made.api.environment(folder) | {
            "TAILRACE_TROUBLE_ENABLED": "on",
            "TAILRACE_HTTP_ENABLED": "on",
        }
        with Program.started(*command, environment=environment) as program:
            await_that(lambda: connects(rows) >= TAUGHT, program)
            for fault_name, fault in FAULTS.items():
                before = len(hook.posts)
                begin = time.monotonic()
                fault.make(made)
                alert = _first_alert(hook, before, fault)
                yield _reading(fault_name, fault, alert, time.monotonic() - begin)
                time.sleep(PAUSE_S)
            program.stop()


def _first_alert(hook: HttpServer, before: int, fault: Fault) -> dict[str, Any] | None:
    """That hits who is hit; None: it did not come."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        for post in hook.posts[before:]:
            alert: dict[str, Any] = json.loads(post.body)["alert"]
            if alert["subject"].rpartition("/")[2] in fault.services:
                return alert
        time.sleep(0.05)
    return None


def _reading(name: str, fault: Fault, alert: dict[str, Any] | None, seconds: float) -> Reading:
    if alert is None:
        return Reading(None, "s", BAR, note=f"{name}: not found in {LONGEST_S} s")
    right = fault.where.items() <= alert["where"].items()
    what = " and ".join(f"{key} {value}" for key, value in alert["where"].items()) or "nothing separates"
    return Reading(seconds, "s", BAR, note=f"{name}: {'right' if right else 'WRONG'}, {what}")
