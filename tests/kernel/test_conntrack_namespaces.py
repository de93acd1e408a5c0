"""Network namespaces that come while NAT rewrites are listened to, on the real kernel."""

import contextlib
import subprocess
from subprocess import PIPE

import numpy as np
import pytest

from probes.conntrack.feed import Conntrack
from tests.kernel.reported_entries import NOWHERE, Reported

pytestmark = pytest.mark.kernel

#: Leaves its network namespace for a new one when it is reported to, and tells which.
TO_ITSELF = """
import ctypes, os
print(flush=True)
input()
ctypes.CDLL(None).unshare(0x40000000)
print(os.stat("/proc/self/ns/net").st_ino, flush=True)
input()
"""


def test_a_socket_in_a_namespace_without_a_name_is_followed() -> None:
    """An old process made itself a namespace: only a full look finds that, which is taken for a socket in it."""
    everywhere = Conntrack()
    with (
        contextlib.closing(everywhere),
        subprocess.Popen(["python3", "-c", TO_ITSELF], stdin=PIPE, stdout=PIPE, text=True) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            everywhere.start()
            process.stdout.readline()
            Reported(everywhere).drain()
            before = everywhere.stage.noted["namespaces"]
            process.stdin.write("\n")
            process.stdin.flush()
            inode = int(process.stdout.readline())
            for netns, found in ((NOWHERE, 0), (np.array([inode], np.uint32), 1)):
                everywhere.notice(netns)
                Reported(everywhere).drain()
                assert everywhere.stage.noted["namespaces"] == before + found
        finally:
            process.kill()
