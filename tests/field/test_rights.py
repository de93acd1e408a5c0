"""The kind: a right that is missing, and costs something that nobody hears of."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.beds.watch import DEADLINE_SECONDS
from tests.field.program import ended, running

RIGHTS = ("net_admin", "net_broadcast", "sys_admin")
#: A user without a home, whose cache is nowhere to be found.
NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "env",
    "-u",
    "HOME",
    "-u",
    "XDG_CACHE_HOME",
)


def without(right: str) -> tuple[str, ...]:
    """The beginning of a command that runs with all rights but one."""
    return ("setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}")


@pytest.mark.kernel
@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_is_told_at_the_start_and_by_doctor(tmp_path: Path, right: str) -> None:
    """Rewrites that are not seen for want of it: a line of the log when it starts, and a check with its cost."""
    name = f"CAP_{right.upper()}"
    report: dict[str, Any] = json.loads(ended("doctor", "-o", "json", before=without(right)).stdout)
    (check,) = (check for check in report["checks"] if check["name"] == "NAT rewrites")
    if check["detail"].startswith("kprobe") and right != "sys_admin":
        pytest.skip("kprobes see all network namespaces without this right")
    out = tmp_path / "rows.jsonl"
    with running(tmp_path / "errors", "run", "--sink", f"jsonl:{out}", before=without(right)) as tailrace:
        tailrace.await_file(out)
        tailrace.process.send_signal(signal.SIGTERM)
        assert tailrace.process.wait(DEADLINE_SECONDS) == 0
        assert f" no {name}: " in tailrace.said
    if not check["detail"].startswith("kprobe"):
        assert (check["status"], name in check["detail"], name in check["remedy"]) == ("degraded", True, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")
@pytest.mark.parametrize("given", ["CACHE_DIRECTORY", "XDG_CACHE_HOME", ""])
def test_a_user_without_a_home_has_a_cache_where_one_can_be(given: str) -> None:
    """The folder that is given, else the one of all: never one in the root folder, and no exception."""
    with tempfile.TemporaryDirectory() as folder:  # other users cannot reach the one of the test
        place = Path(folder)
        place.chmod(0o777)
        assert (
            _cache_root(given, place)
            == {
                "CACHE_DIRECTORY": folder,
                "XDG_CACHE_HOME": f"{folder}/tailrace",
                "": "/var/cache/tailrace",
            }[given]
        )


def _cache_root(given: str, place: Path) -> str:
    """Of nobody, with that variable set to ``place``."""
    program = "from probes.kernel.headers import cache_root; print(cache_root())"
    setting = ["env", f"{given}={place}"] if given else []
    command = [*NOBODY, *setting, sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return done.stdout.strip()
