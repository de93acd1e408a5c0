"""Sockets that were open before the probe: owner, namespace and a baseline, in every network namespace."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from model.kinds.delta import Evidence, Role
from probes.kernel.layout import enums
from tests.kernel.loopback import Seen, connect, listening
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
FLAGS = enums("tcp")["event_flag"]
#: Talks before the start, waits, talks again, and says its port.
OTHER = """
import subprocess
from tests.kernel.loopback import connect, listening
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with listening() as listener:
    connection = connect(listener)
    connection.exchange(1000, 2000)
    print(listener.getsockname()[1], flush=True)
    input()
    connection.exchange(30, 4)
    connection.close()
    print("closed", flush=True)
    input()
"""


@contextmanager
def other_namespace() -> Iterator[subprocess.Popen[str]]:
    """A process with a connection of its own in a new network namespace; it is gone when the block is left."""
    command = ["unshare", "--net", sys.executable, "-c", OTHER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def probe() -> Iterator[Probes]:
    """Not started yet."""
    probe = Probes(slots=1024, ring_bytes=1 << 20)
    yield probe
    probe.close()


def summary(ends: np.ndarray) -> set[tuple[int, int, int, int, int, int]]:
    """(role, sent, received, process, evidence, adopted) of each end."""
    sockets, counters = ends["socket"], ends["counters"]
    columns = (
        sockets["role"],
        counters["tx_bytes"],
        counters["rx_bytes"],
        sockets["owner"]["tgid"],
        sockets["evidence"],
        sockets["flags"] & FLAGS["FLAG_ADOPTED"],
    )
    return set(zip(*(column.tolist() for column in columns), strict=True))


def expected(process: int, up: int, down: int) -> set[tuple[int, int, int, int, int, int]]:
    """Both ends, adopted with this owner; these many bytes since then."""
    grade, flag = Evidence.ADOPTED, FLAGS["FLAG_ADOPTED"]
    return {(Role.CLIENT, up, down, process, grade, flag), (Role.SERVER, down, up, process, grade, flag)}


def test_sockets_of_this_namespace_are_adopted(probe: Probes) -> None:
    """Bytes of before the start do not count; those of after it do, also in the snapshot."""
    with listening() as listener:
        port = listener.getsockname()[1]
        connection = connect(listener)
        connection.exchange(5000, 60000)
        probe.start()
        seen = Seen(probe)
        connection.exchange(70, 800)
        shot = probe.snapshot()
        mine = (shot.descriptions["local_port"] == port) | (shot.descriptions["peer_port"] == port)
        cells = shot.cells[np.isin(shot.slots, shot.new_slots[mine])]
        connection.close()
        ends = seen.await_ends(port, 2)
    assert sorted(cells["counters"]["tx_bytes"].tolist()) == [70, 800]
    assert summary(ends) == expected(os.getpid(), 70, 800)
    assert probe.tallies()["adopted"] >= 2


def test_an_accepted_socket_without_its_listener_is_still_a_servers(probe: Probes) -> None:
    """The listener is gone and nothing was sent before the start: no SYN of its own is taken off its bytes."""
    with listening() as listener:
        port = listener.getsockname()[1]
        connection = connect(listener)
    probe.start()
    seen = Seen(probe)
    connection.exchange(70, 800)
    connection.close()
    assert summary(seen.await_ends(port, 2)) == expected(os.getpid(), 70, 800)


def test_sockets_of_other_namespaces_are_adopted(probe: Probes) -> None:
    """A process in another network namespace is found, with the namespace's number and its name."""
    with other_namespace() as process:
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        namespace = Path(f"/proc/{process.pid}/ns/net").stat().st_ino
        comm = Path(f"/proc/{process.pid}/comm").read_bytes().strip()
        probe.start()
        seen = Seen(probe)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "closed\n"
        events = seen.await_ends(port, 2)
        ends = events[events["socket"]["netns"] == namespace]
    assert summary(ends) == expected(process.pid, 30, 4)
    assert set(ends["socket"]["owner"]["comm"].tolist()) == {comm}
    assert namespace != Path("/proc/self/ns/net").stat().st_ino


def test_a_connection_that_waits_to_be_accepted_is_adopted(probe: Probes) -> None:
    """A connection that waits to be accepted is found in its namespace, and is owned by who accepts it."""
    with listening() as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(listener.getsockname(), timeout=10)
        client.sendall(b"x" * 100)
        probe.start()
        seen = Seen(probe)
        server, _ = listener.accept()
        assert len(server.recv(100, socket.MSG_WAITALL)) == 100
        client.close()
        server.close()
        ends = seen.await_ends(port, 2)
    servers = ends[ends["socket"]["role"] == Role.SERVER]
    assert servers["socket"]["owner"]["tgid"].tolist() == [os.getpid()]
    assert servers["socket"]["evidence"].tolist() == [Evidence.ACCEPTED]
    assert servers["counters"]["rx_bytes"].tolist() == [0]
