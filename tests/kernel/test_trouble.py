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
from tests.beds.fleet import connects, fleet
from tests.beds.fleet_faults import FAULTS
from tests.beds.watch import Program, await_that

pytestmark = pytest.mark.kernel

#: Connects that an edge has to have had in whole ticks before it can be ill, and two ticks more.
TAUGHT = 450
#: What tests that are about something else have switched off.
ON = {f"TAILRACE_{name}_ENABLED": "on" for name in ("TROUBLE", "UDP", "DNS", "DROPS")}
TARGETS = ("slack", "pagerduty", "opsgenie", "teams", "webhook", "alertmanager")


@dataclass(frozen=True)
class Played:
    """What was told of all faults."""

    receivers: Receivers
    folder: Path

    def incidents(self, services: tuple[str, ...]) -> list[dict[str, Any]]:
        """Those that hit any of these, and were open; also such that only waited for slow machines to be slow."""
        kept = [value for key, value in read(self.folder / JOURNAL).items() if key.startswith("incident/")]
        return [each for each in kept if each["state"] != "pending" and _servers(each) & set(services)]

    def texts(self, key: str) -> list[str]:
        """All that the webhook was told of an incident."""
        alerts = [body["alert"] for body in self.receivers.taken("webhook")]
        return [alert["text"] for alert in alerts if alert["key"] == key]

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
            "udp": {"enabled": "on"},
            "dns": {"enabled": "on"},
            "drops": {"enabled": "on"},
            "trouble": {"enabled": "on", "path": str(kept), "tick_seconds": 2},
            "alerts": {"targets": [target, *receivers.targets(folder)]},
        }
        (folder / "tailrace.yaml").write_text(json.dumps(settings))
        command = ["run", "--config", str(folder / "tailrace.yaml"), "--sink", f"jsonl:{rows}"]
        environment = made.api.environment(folder) | ON
        with Program.started(*command, "--stage", "workloads", environment=environment) as program:
            await_that(lambda: connects(rows) >= TAUGHT, program)
            for fault in FAULTS.values():
                fault.make(made)
            result = Played(receivers, kept)
            await_that(lambda: _all_told(result), program)
            program.stop()
        yield result


def _all_told(played: Played) -> bool:
    wheres = [fault.where for fault in FAULTS.values()]
    alerts = [body["alert"] for body in played.receivers.taken("webhook")]
    keys = {each["key"] for where in wheres for each in alerts if where.items() <= each["where"].items()}
    return len(keys) >= len(wheres) and all(
        any(key in text for text in played.receivers.texts(name))
        for key in keys
        for name in TARGETS
        if name not in ("slack", "teams")  # they are told words, not keys
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_incident_that_names_its_cause(name: str, played: Played) -> None:
    services, where = FAULTS[name].services, FAULTS[name].where
    (incident,) = played.incidents(services)
    assert where.items() <= incident["where"].items()
    assert set(services) <= _servers(incident)
    alert = played.alert(incident["key"])
    value = next(iter(where.values()))
    headline, cause, *more = alert["text"].splitlines()
    assert FAULTS[name].words in headline
    assert cause.startswith("Only ")
    assert value in cause
    assert "explains" in cause
    (hit,) = (line for line in more if line.startswith("Hit: "))
    assert hit.startswith("Hit: 1 caller, ")
    said = "\n".join(played.texts(incident["key"]))
    assert f"Packets dropped {FAULTS[name].dropped}" in said or not FAULTS[name].dropped
    assert f"Answers of the failed: {FAULTS[name].answered}" in said or not FAULTS[name].answered
    assert alert["severity"] in FAULTS[name].severities


def test_every_target_takes_every_alert(played: Played) -> None:
    """Each as its API documents it; Alertmanager is a real one, and tells its own receiver."""
    assert played.receivers.wrong == []
    for fault in FAULTS.values():
        (incident,) = played.incidents(fault.services)
        value = next(iter(fault.where.values()))
        for name in TARGETS:
            assert any(value in text for text in played.receivers.texts(name)), name
        assert any(incident["key"] in text for text in played.receivers.texts("alertmanager"))
