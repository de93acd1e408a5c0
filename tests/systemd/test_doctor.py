"""`tailrace doctor` beside the units of a booted systemd, and inside one."""

from typing import Any

import pytest

from tests.nats_server import REASON_TO_SKIP
from tests.systemd.booting import boot

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of ``guest/doctor.py``."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    return boot("doctor", tmp_path_factory.mktemp("doctor"))


def checks(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name."""
    return {check["name"]: check for check in report["checks"]}


def found(report: dict[str, Any], name: str) -> tuple[str, str]:
    """Status and detail of a check."""
    check = checks(report)[name]
    return check["status"], check["detail"]


def missing(report: dict[str, Any]) -> list[str]:
    """What makes the exit code 1."""
    return [check["name"] for check in report["checks"] if check["required"] and check["status"] == "missing"]


def test_units_that_nobody_enabled_are_no_fault(facts: dict[str, Any]) -> None:
    """It says how to start them."""
    report = checks(facts["at rest"])
    for name in ("tailrace", "tailrace-agent", "tailrace-engine"):
        unit = report[f"{name}.service"]
        assert unit["status"] == "not needed"
        assert unit["detail"].startswith("disabled, inactive")
        assert f"systemctl enable --now {name}" in unit["remedy"]


def test_units_that_run_are_well(facts: dict[str, Any]) -> None:
    """By default it is about the agent, with the configuration that this reads; each has its rights."""
    agent, engine = facts["agent"], facts["engine"]
    assert (agent["role"], agent["code"], missing(agent)) == ("agent", 0, [])
    assert (engine["role"], engine["code"], missing(engine)) == ("engine", 0, [])
    for report, name, config in (
        (agent, "tailrace-agent", "tailrace.yaml"),
        (engine, "tailrace-engine", "engine.yaml"),
    ):
        status, detail = found(report, f"{name}.service")
        assert (status, detail.startswith("enabled, active since ")) == ("ok", True)
        assert found(report, "configuration") == ("ok", f"/etc/tailrace/{config}, of {name}.service")
        assert found(report, "place")[1].startswith(f"outside of {name}.service")
        assert found(report, "permissions")[0] == "ok"
    assert found(agent, "rights of tailrace-agent") == (
        "ok",
        "user tailrace; CAP_BPF, CAP_NET_ADMIN, CAP_NET_BROADCAST, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE",
    )
    assert found(engine, "rights of tailrace-engine") == (
        "ok",
        "user tailrace-engine; no capability, and it needs none",
    )


def test_it_knows_the_cluster_over_nats(facts: dict[str, Any]) -> None:
    """The agent of this machine, and the engine that reads what it publishes."""
    report = facts["agent"]
    assert found(report, "agents")[1] == "1 of 1 nodes report"
    assert found(report, "engines")[1] == "1 share the partitions"
    assert "its agent is up for" in found(report, "this node")[1]


def test_an_engine_is_not_asked_for_the_kernel(facts: dict[str, Any]) -> None:
    assert {check["group"] for check in facts["engine"]["checks"]} == {
        "units",
        "sinks",
        "bus",
        "cluster",
        "disk",
        "clock",
    }


def test_a_right_that_the_process_lacks_has_its_cost(facts: dict[str, Any]) -> None:
    """Beside all that works without it."""
    report = checks(facts["lacking"])["rights of tailrace-agent"]
    assert (report["status"], "CAP_SYS_PTRACE" in report["detail"]) == ("degraded", False)
    assert "executables of other users' processes are not known" in report["cost"]
    assert report["remedy"].startswith("systemctl edit tailrace-agent: add CAP_SYS_PTRACE to ")
    assert facts["lacking"]["code"] == 0


def test_inside_the_unit_hooks_are_tried_with_its_rights(facts: dict[str, Any]) -> None:
    """In its sandbox, as its user: nothing is missing that the role needs."""
    report = facts["inside"]
    assert (report["code"], report["role"], missing(report)) == (0, "agent", [])
    assert found(report, "place") == ("ok", "inside tailrace-agent.service: all is tried with its rights")
    assert found(report, "socket states")[0] == "ok"
    assert found(report, "this clock")[0] == "not needed"  # ProtectClock= forbids to ask


def test_a_path_outside_of_the_sandbox_is_found_before_rows_are_lost(facts: dict[str, Any]) -> None:
    """With the line that opens it; then all is well."""
    name = "rows of jsonl (/srv/rows/flows.jsonl)"
    report = checks(facts["shut out"])[name]
    assert facts["shut out"]["code"] == 1
    assert (report["status"], report["detail"]) == ("missing", "outside of what its unit may write to")
    assert report["remedy"] == "systemctl edit tailrace-engine: ReadWritePaths=/srv/rows"
    assert (facts["let in"]["code"], found(facts["let in"], name)[0]) == (0, "ok")


def test_a_unit_that_failed_and_its_broken_configuration_are_told(facts: dict[str, Any]) -> None:
    """Each on its line, with what to do."""
    report = checks(facts["failed"])
    assert facts["failed"]["code"] == 1
    unit = report["tailrace-engine.service"]
    assert (unit["status"], "failed" in unit["detail"]) == ("missing", True)
    assert unit["remedy"] == "journalctl -u tailrace-engine -e says why"
    assert "snks" in report["configuration"]["detail"]
    assert {check["group"] for check in facts["failed"]["checks"]} == {"units", "disk", "clock"}


def test_another_unit_that_does_not_run_is_no_failure_of_this_one(facts: dict[str, Any]) -> None:
    status, detail = found(facts["let in"], "tailrace-agent.service")
    assert (status, detail, facts["let in"]["code"]) == ("missing", "enabled, inactive", 0)


def test_nats_that_is_stopped_is_told(facts: dict[str, Any]) -> None:
    report = facts["no bus"]
    assert (report["code"], "NATS" in missing(report)) == (1, True)
    assert found(report, "NATS")[1].endswith("is not reachable")
