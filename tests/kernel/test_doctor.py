"""`tailrace doctor` on this machine: as root, with fewer rights, and as anybody."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from probes.conntrack.probe import NAT
from probes.kernel.perf_events import has_kprobes
from probes.registry import PROBES
from tests.unprivileged import unprivileged

FEATURES = [feature for probe in PROBES for feature in probe.features]
pytestmark = pytest.mark.kernel

COMMAND = [sys.executable, "-c", "from engine.cli import main; main()", "doctor", "-o", "json"]
ROOT = Path(__file__).parents[2]


def doctor(*before: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code and the checks by name, of a process started through ``before``."""
    environment = {**os.environ, "XDG_CACHE_HOME": "/nonexistent"}
    ran = subprocess.run(
        [*before, *COMMAND], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    report = json.loads(ran.stdout)
    assert report["ok"] == (ran.returncode == 0)
    return ran.returncode, {check["name"]: check for check in report["checks"]}


def test_root_can_run_and_every_hook_is_tried() -> None:
    """Every feature of the probe has its line with what was taken, and the trial its times."""
    code, checks = doctor()
    assert code == 0
    assert {checks[feature.name]["group"] for feature in FEATURES} == {"hooks"}
    taken = checks["socket states"]
    assert (taken["status"], taken["detail"]) == ("ok", "tracepoint inet_sock_set_state")
    assert "compile and load" in checks["trial"]["detail"]
    assert {checks["tracefs"]["status"], checks["bpffs"]["status"]} == {"not needed"}


def test_bpf_rights_alone_do_the_main_job() -> None:
    """With CAP_BPF and CAP_PERFMON only, the sockets that need setns(2) are lost, and NAT without kprobes."""
    code, checks = doctor("setpriv", "--inh-caps=-all,+bpf,+perfmon", "--bounding-set=-all,+bpf,+perfmon")
    lost = [
        name
        for name, check in checks.items()
        if check["status"] in {"missing", "degraded"} and check["group"] != "clock"
    ]
    assert code == 0
    nat = [] if has_kprobes() else ["NAT rewrites"]
    assert lost == ["network namespaces", "adoption of orphans", *nat]
    assert "Operation not permitted" in checks["adoption of orphans"]["detail"]


def test_others_than_root_see_all_that_can_be_seen() -> None:
    """Lack of rights is one line among the others; hooks are not tried, but for ctnetlink; nothing raises."""
    code, checks = doctor(*unprivileged())
    assert code == 1
    assert "no CAP_BPF and CAP_PERFMON" in checks["privileges"]["detail"]
    assert checks["kernel"]["status"] == checks["map memory"]["status"] == "ok"
    assert checks["trial"]["remedy"].startswith("privileges ")
    assert set(checks) & {feature.name for feature in FEATURES} == {NAT.name}


def test_a_container_is_told_what_it_misses() -> None:
    """In a pid namespace of its own the probe still starts, and the loss is named."""
    code, checks = doctor("unshare", "--pid", "--fork", "--mount-proc")
    assert code == 0
    assert checks["pid namespace"]["status"] == "degraded"
    assert "--pid=host" in checks["pid namespace"]["remedy"]
