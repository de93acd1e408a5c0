"""Units and their rights, as `systemctl show` has them."""

from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.doctor import units as module
from engine.doctor.subject import subject_of, variables
from engine.doctor.unit_rights import check_place, check_rights, missing_rights
from engine.doctor.units import Unit, check_unit, find_units, own_unit
from probes.checks.privileges import CAPABILITIES, NO_PROGRAM
from probes.conntrack.config import NatConfig

SIX = "cap_net_broadcast cap_net_admin cap_sys_ptrace cap_sys_admin cap_perfmon cap_bpf"
HELD = frozenset(SIX.upper().split())


def unit_of(role: Any = "run", **changed: str) -> Unit:
    """One that is enabled and active, but for what is changed."""
    shown = {
        "LoadState": "loaded",
        "UnitFileState": "enabled",
        "ActiveState": "active",
        "Result": "success",
        "NRestarts": "0",
        "ActiveEnterTimestamp": "Sun 2026-11-29 16:03:01 UTC",
        "MainPID": "0",
        "ExecMainStatus": "0",
        "User": "tailrace",
        "AmbientCapabilities": SIX,
        "CapabilityBoundingSet": SIX,
        "NeedDaemonReload": "no",
        "ExecStart": "argv[]=/usr/bin/tailrace run --config /etc/tailrace/tailrace.yaml ; ",
        "ProtectSystem": "strict",
        "ReadWritePaths": "",
        "LogsDirectory": "tailrace",
        "StateDirectory": "tailrace",
    }
    return Unit(role, shown | changed)


def test_one_that_runs_says_since_when() -> None:
    check = check_unit(unit_of())
    assert (check.status, check.detail) == ("ok", "enabled, active since Sun 2026-11-29 16:03:01 UTC")


@pytest.mark.parametrize(
    ("changed", "status", "fatal", "remedy"),
    [
        ({"LoadState": "not-found"}, "not needed", False, ""),
        ({"LoadState": "masked"}, "not needed", False, ""),
        (
            {"UnitFileState": "disabled", "ActiveState": "inactive"},
            "not needed",
            False,
            "sudo systemctl enable --now tailrace, to have it run",
        ),
        ({"ActiveState": "inactive"}, "missing", True, "sudo systemctl start tailrace"),
        (
            {"ActiveState": "failed", "Result": "watchdog"},
            "missing",
            True,
            "journalctl -u tailrace -e says why",
        ),
        ({"ActiveState": "activating"}, "missing", True, "journalctl -u tailrace -e says why"),
        ({"UnitFileState": "disabled"}, "degraded", False, "sudo systemctl enable tailrace"),
        ({"NRestarts": "3"}, "degraded", False, "journalctl -u tailrace -e says what"),
        (
            {"NeedDaemonReload": "yes"},
            "degraded",
            False,
            "sudo systemctl daemon-reload && sudo systemctl restart tailrace",
        ),
    ],
)
def test_each_state_says_what_to_do(changed: dict[str, str], status: str, fatal: bool, remedy: str) -> None:
    check = check_unit(unit_of(**changed))
    assert (check.status, check.fatal, check.remedy) == (status, fatal, remedy)


def test_restarts_and_the_last_result_are_shown() -> None:
    failed = unit_of(ActiveState="failed", Result="exit-code", ExecMainStatus="2", NRestarts="1")
    detail = "enabled, failed, 1 restart, last result exit-code (exit status 2)"
    assert check_unit(failed).detail == detail


def test_another_unit_that_does_not_run_is_no_failure() -> None:
    check = check_unit(unit_of(ActiveState="inactive"), examined=False)
    assert (check.status, check.fatal) == ("missing", False)


def test_inside_of_itself_it_may_be_about_to_start() -> None:
    assert check_unit(unit_of(ActiveState="activating"), inside=True).status == "ok"


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        ("0::/system.slice/tailrace-agent.service", "tailrace-agent"),
        ("12:pids:/system.slice/tailrace.service\n1:name=systemd:/system.slice/tailrace.service", "tailrace"),
        ("0::/user.slice/user-0.slice/session-1.scope", ""),
        ("0::/system.slice/tailrace.service.d-else", ""),
    ],
)
def test_the_cgroup_says_whether_it_runs_in_a_unit(cgroup: str, name: str) -> None:
    found = own_unit([unit_of(), unit_of("agent"), unit_of("engine")], cgroup)
    assert (found.name if found else "") == name


def test_the_capabilities_of_a_unit_that_does_not_run_are_those_that_it_will_have() -> None:
    """Ambient ones for a user of its own, the bounding set for root; of the process, as soon as there is one."""
    assert unit_of().capabilities() == HELD
    assert unit_of(AmbientCapabilities="cap_bpf").capabilities() == {"CAP_BPF"}
    assert unit_of(User="", AmbientCapabilities="").capabilities() == HELD
    assert unit_of(MainPID="self").capabilities() <= CAPABILITIES


@pytest.mark.parametrize(
    ("lacking", "cost"),
    [
        ("CAP_SYS_ADMIN", "sockets of before the start that no process holds are not reported"),
        ("CAP_SYS_PTRACE", "executables of other users' processes are not known"),
    ],
)
def test_a_right_that_a_unit_lacks_has_its_cost_and_its_line(lacking: str, cost: str) -> None:
    rest = " ".join(name for name in SIX.split() if name != lacking.lower())
    check = check_rights(unit_of(AmbientCapabilities=rest), NatConfig())
    assert check.status == "degraded"
    assert cost in check.cost
    given = "AmbientCapabilities= and CapabilityBoundingSet="
    assert check.remedy == f"systemctl edit tailrace: add {lacking} to {given}"


def test_without_the_rights_to_load_programs_nothing_starts() -> None:
    check = check_rights(unit_of(AmbientCapabilities="cap_perfmon cap_net_admin"), NatConfig())
    assert (check.fatal, NO_PROGRAM in check.cost) == (True, True)
    assert "CAP_BPF" in check.remedy
    assert NO_PROGRAM not in missing_rights(frozenset({"CAP_SYS_ADMIN"}), NatConfig()).values()


def test_an_engine_with_rights_has_more_than_it_needs() -> None:
    none = unit_of("engine", AmbientCapabilities="", CapabilityBoundingSet="", User="tailrace-engine")
    assert check_rights(none, NatConfig()).status == "ok"
    some = check_rights(unit_of("engine"), NatConfig())
    assert (some.status, "needs no capability" in some.cost) == ("degraded", True)


def test_the_place_says_with_whose_rights_hooks_are_tried() -> None:
    assert "inside tailrace.service" in check_place(unit_of(), inside=True).detail
    assert "outside of tailrace.service: hooks" in check_place(unit_of(), inside=False).detail
    assert "hooks" not in check_place(unit_of("engine"), inside=False).detail
    assert "as this user" in check_place(None, inside=False).detail


def test_without_systemd_there_are_no_units(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "BOOTED", tmp_path / "none")
    assert find_units() == []


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> list[Unit]:
    """What is installed; a test changes it."""
    found: list[Unit] = []
    monkeypatch.setattr("engine.doctor.subject.find_units", lambda: found)
    return found


def test_the_configuration_is_that_of_the_unit(units: list[Unit], tmp_path: Path) -> None:
    """Unless one is given; the unit's variables go before its file."""
    file = tmp_path / "tailrace.yaml"
    file.write_text("node: from-file\n")
    start = f"argv[]=/usr/bin/tailrace agent --config {file} ; "
    units += [unit_of(LoadState="not-found"), unit_of("agent", ExecStart=start)]
    subject = subject_of(Config(), None, None)
    assert (subject.role, subject.config.node) == ("agent", "from-file")
    assert subject.found.detail == f"{file}, of tailrace-agent.service"
    given = subject_of(Config(node="given"), Path("/given.yaml"), None)
    assert (given.config.node, given.found.detail) == ("given", "/given.yaml")
    other = subject_of(Config(node="other"), None, "engine")
    assert (other.role, other.unit, other.config.node) == ("engine", None, "other")


def test_a_broken_configuration_of_the_unit_is_a_line_of_its_own(units: list[Unit], tmp_path: Path) -> None:
    """All else is examined with the defaults."""
    file = tmp_path / "tailrace.yaml"
    file.write_text("snks: []\n")
    units.append(unit_of(ExecStart=f"argv[]=/usr/bin/tailrace run --config {file} ; "))
    subject = subject_of(Config(), None, None)
    assert (subject.found.fatal, "snks" in subject.found.detail) == (True, True)
    assert subject.config == Config()


def test_variables_of_the_environment_file_are_read(tmp_path: Path) -> None:
    """As systemd does: comments and other programs' variables are left aside, quotes are taken off."""
    file = tmp_path / "environment"
    file.write_text("# TAILRACE_NODE=no\nPATH=/bin\nTAILRACE_NODE='a b'\n TAILRACE_STAGE=deltas\n\n")
    assert variables(file) == {"TAILRACE_NODE": "a b", "TAILRACE_STAGE": "deltas"}
    assert variables(tmp_path / "none") == {}
