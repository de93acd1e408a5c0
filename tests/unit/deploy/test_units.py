"""The units: how much of the machine they give up, and why not more."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "deploy/systemd"
#: systemd's figure for what a unit may do; 10: all.
BARS = {"tailrace": 2.7, "tailrace-agent": 2.7, "tailrace-engine": 1.5}
#: What can be given up, by the directives of systemd.exec(5) and systemd.resource-control(5) that do.
SANDBOX = (
    "PrivateUsers PrivateNetwork ProcSubset IPAddressDeny RestrictNamespaces ProtectSystem ProtectHome "
    "ProtectProc PrivateTmp PrivateDevices PrivateIPC PrivateMounts ProtectClock ProtectControlGroups "
    "ProtectHostname ProtectKernelLogs ProtectKernelModules ProtectKernelTunables RestrictSUIDSGID "
    "RestrictRealtime LockPersonality MemoryDenyWriteExecute KeyringMode RemoveIPC "
    "RestrictAddressFamilies SystemCallFilter SystemCallArchitectures NoNewPrivileges User"
)


def settings(unit: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^(\w+)=(.*)$", (UNITS / f"{unit}.service").read_text()))


@pytest.mark.parametrize(("unit", "bar"), BARS.items())
def test_the_exposure_is_below_its_bar(unit: str, bar: float) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd: make setup")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / f"{unit}.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(rf"Overall exposure level for {unit}\.service: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= bar


@pytest.mark.parametrize("unit", BARS)
def test_each_directive_that_is_missing_has_its_reason(unit: str) -> None:
    """Below "Left out, and why"; one that is there has none."""
    text = (UNITS / f"{unit}.service").read_text()
    reasons = set(re.findall(r"(?m)^# (\w+)(?:=\w+)?: \S", text.partition("# Left out, and why:\n")[2]))
    missing = {name for name in SANDBOX.split() if name not in settings(unit)}
    weakened = {"RestrictNamespaces"} if settings(unit).get("RestrictNamespaces") == "net" else set()
    assert reasons == missing | weakened


def test_the_engine_has_no_rights_and_another_user() -> None:
    """Not even one to be had by a set-uid program."""
    engine, watcher = settings("tailrace-engine"), settings("tailrace")
    assert (engine["CapabilityBoundingSet"], engine["NoNewPrivileges"]) == ("", "yes")
    assert "AmbientCapabilities" not in engine
    assert engine["User"] != watcher["User"] == settings("tailrace-agent")["User"]


@pytest.mark.parametrize("unit", BARS)
def test_users_of_units_are_made_by_the_package(unit: str) -> None:
    assert f"\nu {settings(unit)['User']} " in (UNITS / "tailrace.sysusers").read_text()
