"""``tailrace selftest``: the whole way from the kernel to the rows is exact, by every traffic it knows."""

import json
import os
import subprocess

import pytest

from tests.kernel.test_run import TAILRACE
from tests.slowness import SLOWNESS

pytestmark = pytest.mark.kernel


def test_everything_is_as_it_was() -> None:
    """All connections, bytes, owners, errors and ends of the full traffic are reported, and nothing else.

    On a slow machine it is less traffic.
    """
    command = [TAILRACE, "selftest", "-o", "json", *(["--quick"] if SLOWNESS > 1 else [])]
    watched = os.environ | {"TAILRACE_UDP_ENABLED": "on"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False, env=watched
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["exact"], f"{report['verdict']}: {report['failures']}, lost {report['lost']}"
    assert done.returncode == 0, done.stderr
    made = set(report["kinds"])
    assert {"deserted", "mptcp", "ports", "rewrite", "udp"} <= made
    assert report["phantoms"] == 0
    assert report["lost"] == 0
