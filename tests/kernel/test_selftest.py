"""``tailrace selftest``: the whole way from the kernel to the rows is exact, by every traffic it knows."""

import json
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOWNESS, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["exact"], f"{report['verdict']}: {report['failures']}, lost {report['lost']}"
    assert done.returncode == 0, done.stderr
    made = set(report["kinds"])
    assert {"deserted", "mptcp", "ports", "rewrite"} <= made
    assert report["phantoms"] == 0
    assert report["lost"] == 0
