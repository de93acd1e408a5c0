"""The kind: what is missing, and counted nowhere, when all processors are busy and the bus is gone for a while."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.beds.flows import Row
from tests.beds.installation import Installation
from tests.kernel.nat_network import CLIENT, NatNetwork
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

#: Processes that want a processor, for each that there is.
HOGS: Final = 2
#: Connections while the server is there, while it is gone, and when it is back.
CONNECTIONS: Final = 150
PAUSE_SECONDS: Final = 0.01
#: Of the first client; each has its own: ports that the kernel chooses come again.
FIRST_PORT: Final = 20000

#: What an end says of its connection: how often it began and ended, bytes sent and received.
End = tuple[int, int, int, int]
#: Ends by side and client's port.
Ends = dict[tuple[str, int], End]


@contextlib.contextmanager
def hogs() -> Iterator[None]:
    """All processors are busy while the block runs."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(HOGS * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Traffic:
    """Connections on loopback in a namespace of its own, each with its own number of bytes in each direction."""

    def __init__(self, network: NatNetwork) -> None:
        self.namespace = network.name(CLIENT)
        self.ends: Ends = {}
        self._network = network
        self._listener = network.listen(CLIENT, "tcp", "127.0.0.1", 0)

    @classmethod
    @contextlib.contextmanager
    def started(cls) -> Iterator["Traffic"]:
        """The namespace is there while the block runs."""
        network = NatNetwork()
        try:
            network.add(CLIENT)
            yield cls(network)
        finally:
            network.remove()

    def connect(self, count: int) -> None:
        """So many connections, one after another."""
        for _ in range(count):
            self._network.within(CLIENT, self._exchange)
            time.sleep(PAUSE_SECONDS)

    def _exchange(self) -> None:
        up, down, port = 1 + len(self.ends), 7 * len(self.ends) + 3, FIRST_PORT + len(self.ends) // 2
        with socket.create_connection(self._listener.getsockname(), source_address=("", port)) as client:
            server, _ = self._listener.accept()
            with server:
                for sender, receiver, count in ((client, server, up), (server, client, down)):
                    sender.sendall(bytes(count))
                    receiver.recv(count, socket.MSG_WAITALL)
        self.ends["client", port] = 1, 1, up, down
        self.ends["server", port] = 1, 1, down, up


def told(rows: Sequence[Row]) -> Ends:
    """What flows say of each end, all rows together."""
    sums: dict[tuple[str, int], Counter[str]] = {}
    names = ("connection.opened", "connection.closed", "tx_bytes", "rx_bytes")
    for row in (row for row in rows if row["kind"] == "flow"):
        for side in (side for side in ("client", "server") if row.get(f"{side}.reported")):
            counts = {name: int(row.get(f"{side}.{name}", 0)) for name in names}
            sums.setdefault((side, row["client.port"]), Counter()).update(counts)
    return {end: (c[names[0]], c[names[1]], c[names[2]], c[names[3]]) for end, c in sums.items()}


def lost(rows: Sequence[Row]) -> Counter[str]:
    """What the last ledgers of the node and of the engine count as dropped, by stage and reason."""
    books = {row["node"]: row["stages"] for row in rows if row["kind"] == "ledger"}
    return Counter(
        {
            f"{node}.{stage}.{reason}": count
            for node, stages in books.items()
            for stage, account in stages.items()
            for reason, count in account["dropped"].items()
        }
    )


def test_nothing_is_missing_that_the_ledger_does_not_count(nats_server: NatsServer, tmp_path: Path) -> None:
    """An agent that starts late, a server that is killed and comes back on its store: each end is told of once, or
    counted."""
    with Traffic.started() as traffic:
        nodes = {"late": [traffic.namespace]}
        started = Installation.started(nats_server.url(), nodes, tmp_path / "flows.jsonl")
        with started as installation, hogs():
            traffic.connect(CONNECTIONS)
            nats_server.kill()
            traffic.connect(CONNECTIONS)
            nats_server.start()
            traffic.connect(CONNECTIONS)

            def accounted() -> bool:
                rows = installation.told()
                return len(told(rows).items() & traffic.ends.items()) + lost(rows).total() >= len(
                    traffic.ends
                )

            installation.await_that(accounted)
            rows = installation.rows(accounted)
    found = told(rows)
    wrong = {end: (found.get(end), truth) for end, truth in traffic.ends.items() if found.get(end) != truth}
    assert len(wrong) <= lost(rows).total(), (lost(rows), wrong)
    assert found.keys() <= traffic.ends.keys()
