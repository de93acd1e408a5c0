"""The kind: a client's tuple that is used again at once, each time rewritten to another server."""

import heapq
import os
import random
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.beds.flows import Row
from tests.beds.watch import Watch, scaled
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork, nat_network

pytestmark = pytest.mark.kernel

COUNT: Final = scaled(int(os.environ.get("REUSE_COUNT", "1500")))
PORTS: Final = range(30000, 30024)
_HERE, _GATE, _, _THERE = ADDRESSES[4]
_OTHER: Final = "10.77.2.3"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST, and the tuple is free


@dataclass(frozen=True)
class Call:
    """A connection as its client knows it; times are those of the wall clock."""

    port: int
    begin_ns: int
    end_ns: int


def prepare(network: NatNetwork) -> None:
    """The router sends each connection to one of two backends at random."""
    network.run(SERVER, f"ip addr add {_OTHER}/24 dev eth0")
    rule = f"iptables-legacy -t nat -A PREROUTING -p tcp -d {_GATE} --dport 80"
    network.run(ROUTER, f"{rule} -m statistic --mode random --probability 0.5 -j DNAT --to {_THERE}:8080")
    network.run(ROUTER, f"{rule} -j DNAT --to {_OTHER}:8080")


def call(port: int, number: int) -> Call:
    """One connection from this port, which carries its number and ends with RST."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        caller.settimeout(20)
        caller.bind((_HERE, port))
        begin = time.time_ns()
        caller.connect((_GATE, 80))
        end = time.time_ns()
        caller.sendall(struct.pack("Q", number))
        assert caller.recv(1) == b"y"
    return Call(port, begin, end)


def calls() -> list[Call]:
    """As many as wanted; each port is used again after 1 to 100 ms."""
    chance = random.Random(7)
    due = [(0.0, port) for port in PORTS]
    made: list[Call] = []
    while len(made) < COUNT:
        at, port = heapq.heappop(due)
        time.sleep(max(0.0, at - time.monotonic()))
        made.append(call(port, len(made)))
        heapq.heappush(due, (time.monotonic() + chance.uniform(0.001, 0.1), port))
    return made


class Backends:
    """Both backends: who took each connection, by the number that it carried."""

    def __init__(self, network: NatNetwork) -> None:
        self.took: dict[int, tuple[str, int]] = {}
        self._listeners = [network.listen(SERVER, "tcp", at, 8080) for at in (_THERE, _OTHER)]
        self._stop = threading.Event()
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    accepted, (_, port) = key.fileobj.accept()
                    with accepted:
                        (number,) = struct.unpack("Q", accepted.recv(8, socket.MSG_WAITALL))
                        self.took[number] = (accepted.getsockname()[0], port)
                        accepted.sendall(b"y")

    def close(self) -> None:
        """They answer no more."""
        self._stop.set()
        self._serving.join()
        for listener in self._listeners:
            listener.close()


def wrong(made: list[Call], took: dict[int, tuple[str, int]], rows: list[Row]) -> list[str]:
    """What flows say of connections that is not so."""
    flows: dict[int, dict[int, list[Row]]] = {}
    for row in rows:
        flows.setdefault(row["client.port"], {}).setdefault(row["connection.opened_at_ns"], []).append(row)
    found = []
    for number, one in enumerate(made):
        assert took[number][1] == one.port
        times = [at for at in flows.get(one.port, {}) if one.begin_ns <= at <= one.end_ns]
        told = {(row["server.address"], row["evidence"]) for at in times for row in flows[one.port].pop(at)}
        if len(times) != 1 or told != {(took[number][0], "both")}:
            found.append(f"{number} from {one.port}: {told} instead of {took[number][0]}")
    left = [f"phantom {port} at {at}: {some[0]}" for port, more in flows.items() for at, some in more.items()]
    return found + left


def test_each_use_of_a_tuple_has_its_own_backend(tmp_path: Path) -> None:
    """Used again after 1 to 100 ms, in the same look at conntrack: every connection is one flow, to who took it."""
    with nat_network() as network, Watch.started(tmp_path / "flows.jsonl", [f"{network.prefix}*"]) as watch:
        prepare(network)
        backends = Backends(network)
        try:
            made = network.within(CLIENT, calls)
        finally:
            backends.close()
        rows = [row for row in watch.rows() if row["kind"] == "flow" and row["client.port"] in PORTS]
    assert len({address for address, _ in backends.took.values()}) == 2
    failures = wrong(made, backends.took, rows)
    assert not failures, f"{len(failures)} of {len(made)}\n" + "\n".join(failures[:10])
