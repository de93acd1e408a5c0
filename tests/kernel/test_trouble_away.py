"""An agent goes away in the midst of an incident, while traffic goes on: nothing is well, or gone, by its silence.

Agents and an engine are processes of their own on a real nats-server; each agent sees the pods of one node.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerts.journal import JOURNAL, read
from tests.beds.alert_receivers import Receivers
from tests.beds.alertmanager import alertmanager
from tests.beds.fleet import Fleet, Plan, Service, connects, fleet
from tests.beds.processes import read_log
from tests.beds.watch import TAILRACE, Program, await_that, limited_to
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]
pytestmark = pytest.mark.kernel

#: Who calls checkout is on another node than checkout; stock and its caller are on one.
PLAN = Plan(
    {
        "checkout": Service("web", (("v1", "n2"), ("v2", "n2"), ("v2", "n2"))),
        "stock": Service("job", (("v1", "n2"), ("v1", "n2"))),
    },
    {"web": "n1", "job": "n2"},
)
NODES = {"n1": ["web-1"], "n2": ["checkout-1", "checkout-2", "checkout-3", "stock-1", "stock-2", "job-1"]}
#: Connects of each edge that teach what is usual.
TAUGHT = 450
#: Those of stock after it was told that there is no data: some seconds, in which nothing more is told.
MEANWHILE = 100
#: Seconds after which the agent is heard of again, and its ticks are judged.
BACK_S = 5
ON = {"TAILRACE_TROUBLE_ENABLED": "on"}


@dataclass
class Away:
    """What runs.

    :param agents: by node.
    """

    made: Fleet
    receivers: Receivers
    folder: Path
    bus: str
    engine: Program
    agents: dict[str, Program]

    def told(self) -> list[dict[str, Any]]:
        """Alerts so far."""
        return [body["alert"] for body in self.receivers.taken("webhook")]

    def kept(self, prefix: str) -> list[dict[str, Any]]:
        """What the engine's journal has under it."""
        return [
            value for key, value in read(self.folder / "kept" / JOURNAL).items() if key.startswith(prefix)
        ]

    def of_stock(self) -> int:
        """Its connects that the engine told of."""
        rows = read_log(self.folder / "rows")
        return sum(
            row.get("connections.opened", 0) for row in rows if row.get("server.workload.name") == "stock"
        )

    def failed_since(self, second: float) -> bool:
        """Whether the engine told of connects of checkout that failed after it."""
        rows = [row for row in read_log(self.folder / "rows") if row["window"] > second]
        checkout = (row for row in rows if row.get("server.workload.name") == "checkout")
        return any(row.get("connections.failed") for row in checkout)


@pytest.fixture
def away(tmp_path: Path, nats_server: NatsServer) -> Iterator[Away]:
    """What is usual is known."""
    rows, settings = tmp_path / "rows", tmp_path / "tailrace.yaml"
    (tmp_path / "alertmanager").mkdir()
    with (
        Receivers.running() as receivers,
        alertmanager(tmp_path / "alertmanager", f"{receivers.server.url}/alertmanager") as url,
        fleet(tmp_path, PLAN) as made,
        contextlib.ExitStack() as stack,
    ):
        target = {"name": "alertmanager", "settings": {"url": url}}
        trouble = {"enabled": "on", "path": str(tmp_path / "kept"), "tick_seconds": 1}
        alerts = {"targets": [target, *receivers.targets(tmp_path)]}
        settings.write_text(json.dumps({"trouble": trouble, "alerts": alerts}))
        common = ["--nats", nats_server.url(query="partitions=2"), "--config", str(settings)]
        environment = made.api.environment(tmp_path)
        engine = stack.enter_context(
            Program.started(
                *("engine", *common, "--sink", f"jsonl:{rows}", "--stage", "workloads"),
                environment=environment | ON,
            )
        )
        agents = {
            node: stack.enter_context(
                Program.started("agent", *common, environment=environment | _of(made, node))
            )
            for node in NODES
        }
        await_that(lambda: connects(rows, PLAN) >= TAUGHT, engine, *agents.values())
        yield Away(made, receivers, tmp_path, nats_server.url(), engine, agents)


def _of(made: Fleet, node: str) -> dict[str, str]:
    """What an agent sees."""
    namespaces = [made.pods[name].namespace for name in NODES[node]]
    return {"TAILRACE_NODE": node, "TAILRACE_TROUBLE_ENABLED": "off"} | limited_to(namespaces)


def test_an_incident_stays_open_while_its_agent_is_away_and_goes_on_when_it_is_back(away: Away) -> None:
    away.made.refuse("checkout-2", "checkout-3")
    await_that(lambda: bool(away.told()), away.engine)
    (opened,) = away.told()
    assert (opened["event"], opened["subject"], opened["where"]) == (
        "open",
        "shop/checkout",
        {"server.version": "v2"},
    )
    assert "Data: 2 of 2 nodes." in opened["text"]

    before = len(away.told())
    away.agents["n1"].signal(signal.SIGSTOP)
    await_that(lambda: len(away.told()) > before, away.engine, away.agents["n2"])
    seen = away.of_stock()
    await_that(lambda: away.of_stock() >= seen + MEANWHILE, away.engine, away.agents["n2"])
    (update,) = away.told()[before:]
    assert (update["event"], update["key"], update["where"]) == ("update", opened["key"], opened["where"])
    assert "No data since " in update["text"]
    assert "no data since " in update["short"]
    assert "Data: 1 of 2 nodes." in update["text"]
    (incident,) = away.kept("incident/")
    assert (incident["state"], incident["healthy_s"], incident["blind_told"]) == ("open", 0.0, True)
    assert {event["what"] for event in away.kept("event/")} <= {"new"}

    away.agents["n1"].signal(signal.SIGCONT)
    back = time.time()
    await_that(lambda: away.failed_since(back + BACK_S), away.engine, *away.agents.values())
    acknowledged = command("incidents", "ack", opened["key"], "--who", "ada", "--nats", away.bus)
    assert "is acknowledged by ada" in acknowledged
    (incident,) = away.kept("incident/")
    assert (incident["state"], incident["blind_since"], incident["healthy_s"]) == ("open", 0.0, 0.0)
    assert incident["seen"] > back
    *_, last = await_that_told(away, "Acknowledged by ada")
    assert {alert["key"] for alert in away.told()} == {opened["key"]}
    assert "No data since" not in last["text"]
    assert "resolve" not in [alert["event"] for alert in away.told()]
    assert {event["what"] for event in away.kept("event/")} <= {"new"}
    assert all(body["status"] == "firing" for body in away.receivers.taken("alertmanager"))
    assert away.receivers.wrong == []


def await_that_told(away: Away, words: str) -> list[dict[str, Any]]:
    """Alerts with these words, once there are some."""

    def said() -> list[dict[str, Any]]:
        return [alert for alert in away.told() if words in alert["text"]]

    await_that(lambda: bool(said()), away.engine)
    return said()


def command(*words: str) -> str:
    """What it prints."""
    return subprocess.run([TAILRACE, *words], capture_output=True, text=True, check=True).stdout
