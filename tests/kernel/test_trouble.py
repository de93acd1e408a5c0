"""Real faults in a small cluster: each is one incident, which names its cause, and all targets are told.

All faults are there at the same time, of services of their own; ticks are short.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerts.journal import JOURNAL, read
from tests.beds.alert_receivers import Receivers
from tests.beds.alertmanager import alertmanager
from tests.beds.fleet import SECOND_PORT, SERVICES, Fleet, fleet
from tests.beds.processes import read_log
from tests.beds.watch import Program, await_that

pytestmark = pytest.mark.kernel

#: Connects that an edge has to have had before it can be ill, and some more.
TAUGHT = 330
#: Who is hit, by the fault; what separates; and what the message says.
EXPECTED: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "a version refuses": (("checkout",), {"server.version": "v2"}, "of connects refused"),
    "packets of a pod are lost": (("search",), {"server.instance": "search-2"}, ""),
    "a pod does nothing": (("cart",), {"server.instance": "cart-1"}, ""),
    "a port is blocked": (("ledger",), {"server.port": "8081"}, "of connects given up without an answer"),
    "a node is dead": (("profile", "stock"), {"server.node": "n3"}, "of connects given up without an answer"),
    "a route fails": (("api",), {"route": "/pay"}, "of requests failed"),
}
TARGETS = ("slack", "pagerduty", "opsgenie", "teams", "webhook", "alertmanager")


def inject(made: Fleet) -> None:
    """All at once."""
    made.refuse("checkout-3", "checkout-4")
    made.lose("search-2", 0.2)
    made.stop("cart-1")
    made.block(SECOND_PORT, "ledger-1", "ledger-2")
    made.kill_node("n3")
    made.fail("/pay", "api-1", "api-2")


@dataclass(frozen=True)
class Played:
    """What was told of all faults."""

    receivers: Receivers
    folder: Path

    def incidents(self, services: tuple[str, ...]) -> list[dict[str, Any]]:
        """Those that hit any of these, and were open; also such that only waited for slow machines to be slow."""
        kept = [value for key, value in read(self.folder / JOURNAL).items() if key.startswith("incident/")]
        return [each for each in kept if each["state"] != "pending" and _servers(each) & set(services)]

    def alert(self, key: str) -> dict[str, Any]:
        """How the webhook was told of an incident first."""
        alerts = [body["alert"] for body in self.receivers.taken("webhook")]
        first: dict[str, Any] = next(each for each in alerts if each["key"] == key)
        return first


def _servers(incident: dict[str, Any]) -> set[str]:
    return {edge.rpartition("shop/")[2].partition(":")[0] for edge in incident["edges"]}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All faults, from health until all targets were told of each."""
    folder = tmp_path_factory.mktemp("trouble")
    (folder / "alertmanager").mkdir()
    rows, kept = folder / "rows", folder / "kept"
    with (
        Receivers.running() as receivers,
        alertmanager(folder / "alertmanager", f"{receivers.server.url}/alertmanager") as url,
        fleet(folder) as made,
    ):
        target = {"name": "alertmanager", "settings": {"url": url}}
        settings: dict[str, Any] = {
            "namespaces": made.ground.made,
            "http": {"enabled": "on"},
            "trouble": {"enabled": "on", "path": str(kept), "tick_seconds": 2},
            "alerts": {"targets": [target, *receivers.targets(folder)]},
        }
        (folder / "tailrace.yaml").write_text(json.dumps(settings))
        command = ["run", "--config", str(folder / "tailrace.yaml"), "--sink", f"jsonl:{rows}"]
        environment = made.api.environment(folder) | {"TAILRACE_TROUBLE_ENABLED": "on"}
        with Program.started(*command, "--stage", "workloads", environment=environment) as program:
            await_that(lambda: min(_connects(rows).values(), default=0) >= TAUGHT, program)
            inject(made)
            result = Played(receivers, kept)
            await_that(lambda: _all_told(result), program)
            program.stop()
        yield result


def _connects(rows: Path) -> dict[str, int]:
    """That were opened, by the edge."""
    names = {(name, port): 0 for name, service in SERVICES.items() for port in service.ports}
    for row in read_log(rows):
        key = (row.get("server.workload.name", ""), row.get("server.port", 0))
        if key in names:
            names[key] += row.get("connections.opened", 0)
    return {f"{name}:{port}": count for (name, port), count in names.items()}


def _all_told(played: Played) -> bool:
    wheres = [where for _, where, _ in EXPECTED.values()]
    alerts = [body["alert"] for body in played.receivers.taken("webhook")]
    keys = {each["key"] for where in wheres for each in alerts if where.items() <= each["where"].items()}
    return len(keys) >= len(wheres) and all(
        any(key in text for text in played.receivers.texts(name))
        for key in keys
        for name in TARGETS
        if name not in ("slack", "teams")  # they are told words, not keys
    )


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_one_incident_that_names_its_cause(fault: str, played: Played) -> None:
    services, where, words = EXPECTED[fault]
    (incident,) = played.incidents(services)
    assert where.items() <= incident["where"].items()
    assert set(services) <= _servers(incident)
    alert = played.alert(incident["key"])
    value = next(iter(where.values()))
    headline, cause, hit = alert["text"].splitlines()[:3]
    assert words in headline
    assert cause.startswith("Only ")
    assert value in cause
    assert "explains" in cause
    assert hit.startswith("Hit: 1 caller, ")
    assert alert["severity"] in ("error", "critical")


def test_every_target_takes_every_alert(played: Played) -> None:
    """Each as its API documents it; Alertmanager is a real one, and tells its own receiver."""
    assert played.receivers.wrong == []
    for services, where, _ in EXPECTED.values():
        (incident,) = played.incidents(services)
        value = next(iter(where.values()))
        for name in TARGETS:
            assert any(value in text for text in played.receivers.texts(name)), name
        assert any(incident["key"] in text for text in played.receivers.texts("alertmanager"))
