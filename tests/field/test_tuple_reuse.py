"""The kind: a client's tuple that is used again at once, each time rewritten to another server."""

import heapq
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from probes.kernel.perf_events import has_kprobes
from tests.beds.flows import Flow, Row
from tests.beds.watch import Watch, scaled
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork, nat_network

pytestmark = pytest.mark.kernel

#: Of 10,000 none may be wrong; so many take too long to make them always.
COUNT: Final = int(os.environ.get("REUSE_COUNT") or scaled(1500))
PORTS: Final = range(30000, 30024)
_HERE, _GATE, _, _THERE = ADDRESSES[4]
_OTHER: Final = "10.77.2.3"
_NUMBER: Final = struct.Struct("Q")
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST, and the tuple is free


def prepare(network: NatNetwork) -> None:
    """The router sends each connection to one of two backends at random."""
    network.run(SERVER, f"ip addr add {_OTHER}/24 dev eth0")
    rule = f"iptables-legacy -t nat -A PREROUTING -p tcp -d {_GATE} --dport 80"
    network.run(ROUTER, f"{rule} -m statistic --mode random --probability 0.5 -j DNAT --to {_THERE}:8080")
    network.run(ROUTER, f"{rule} -j DNAT --to {_OTHER}:8080")


def call(port: int, number: int) -> None:
    """One connection from this port, which carries its number, as many bytes more, and ends with RST."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        caller.settimeout(20)
        caller.bind((_HERE, port))
        caller.connect((_GATE, 80))
        caller.sendall(_NUMBER.pack(number) + bytes(number))
        assert caller.recv(1) == b"y"


@dataclass(frozen=True)
class Pace:
    """How soon a port is used again.

    :param ports: as many by turns.
    :param pause_seconds: the shortest and the longest one after the RST.
    """

    ports: int
    pause_seconds: tuple[float, float]


PACES: Final = {"within_100_ms": Pace(len(PORTS), (0.001, 0.1)), "at_once": Pace(1, (0.0, 0.0))}


def calls(pace: Pace) -> list[int]:
    """As many as wanted. The ports, in the order of the calls."""
    chance = random.Random(7)
    due = [(0.0, port) for port in PORTS[: pace.ports]]
    made: list[int] = []
    while len(made) < COUNT:
        at, port = heapq.heappop(due)
        time.sleep(max(0.0, at - time.monotonic()))
        call(port, len(made))
        made.append(port)
        heapq.heappush(due, (time.monotonic() + chance.uniform(*pace.pause_seconds), port))
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
                        (number,) = _NUMBER.unpack(accepted.recv(_NUMBER.size, socket.MSG_WAITALL))
                        assert len(accepted.recv(number, socket.MSG_WAITALL)) == number
                        self.took[number] = (accepted.getsockname()[0], port)
                        accepted.sendall(b"y")

    def close(self) -> None:
        """They answer no more."""
        self._stop.set()
        self._serving.join()
        for listener in self._listeners:
            listener.close()


def wrong(made: list[int], took: dict[int, tuple[str, int]], rows: list[Row]) -> list[str]:
    """What flows say of connections that is not so; each is known by its bytes."""
    found, seen = [], Counter[int]()
    for flow in flows_by_opening(rows):
        sent, received = flow.total("client.tx_bytes"), flow.total("server.rx_bytes")
        number = max(sent, received) - _NUMBER.size
        seen[number] += 1
        told = (*flow.server, flow.rows[-1]["client.port"], sent == received, flow.evidence)
        if number not in took or told != (took[number][0], 8080, made[number], True, "both"):
            found.append(f"{number}: {told} instead of {took.get(number)}")
    return found + [f"{number}: {seen[number]} flows" for number in range(len(made)) if seen[number] != 1]


def misled(made: list[int], took: dict[int, tuple[str, int]], rows: list[Row]) -> list[str]:
    """Rows that state what is not so, and do not say that something may be missing; each is known by its bytes."""
    found = []
    for flow in flows_by_opening(rows):
        last = flow.rows[-1]
        side = "client" if flow.total("client.tx_bytes") else "server"
        number = flow.total("client.tx_bytes" if side == "client" else "server.rx_bytes") - _NUMBER.size
        told = *flow.server, last["client.port"], last["service.address"]
        doubts = flow.evidence == "address" and f"{side}.nat.evidence" in last
        other = flow.server[0] in (_THERE, _OTHER) and flow.server[0] != took[number][0]
        if told != (took[number][0], 8080, made[number], _GATE) and (other or not doubts):
            found.append(f"{number}: {told}, {flow.evidence} instead of {took[number]}")
    return found


def unanswered(row: Row) -> bool:
    """Of an attempt that went on when the second ended: who takes it is not known yet."""
    said = ("connection.opened_at_ns", "connection.failed", "client.tx_bytes", "server.rx_bytes")
    return not any(row.get(name) for name in said)


def flows_by_opening(rows: list[Row]) -> list[Flow]:
    """A tuple that is used again has one id: its connections differ in when they were opened."""
    found: dict[tuple[str, int], list[Row]] = {}
    for row in (row for row in rows if not unanswered(row)):
        found.setdefault((row["connection.id"], row.get("connection.opened_at_ns", 0)), []).append(row)
    return [Flow(some) for some in found.values()]


@pytest.mark.parametrize(
    "source",
    [
        "netlink",
        pytest.param(
            "kprobes", marks=pytest.mark.skipif(not has_kprobes(), reason="the kernel has no kprobes")
        ),
    ],
)
@pytest.mark.parametrize("pace", PACES.values(), ids=PACES)
def test_each_use_of_a_tuple_has_its_own_backend(tmp_path: Path, source: str, pace: Pace) -> None:
    """Used again after 1 to 100 ms, in the same look at conntrack, or less than a millisecond after the RST: every
    connection is one flow, to who took it."""
    with nat_network() as network:
        prepare(network)  # the first rule loads conntrack, without which there is nothing to put a kprobe at
        settings = {"TAILRACE_NAT_SOURCE": source}
        with Watch.started(tmp_path / "flows.jsonl", [f"{network.prefix}*"], settings) as watch:
            backends = Backends(network)
            try:
                made = network.within(CLIENT, lambda: calls(pace))
            finally:
                backends.close()
            rows = [row for row in watch.rows() if row["kind"] == "flow" and row["client.port"] in PORTS]
    assert len({address for address, _ in backends.took.values()}) == 2
    failures = wrong(made, backends.took, rows)
    assert not failures, f"{len(failures)} of {len(made)}\n" + "\n".join(failures[:10])


def test_with_lost_events_no_backend_is_guessed(tmp_path: Path) -> None:
    """The kernel has room for a few events of hundreds: what they would have told is told to be missing."""
    with nat_network() as network:
        prepare(network)
        settings = {"TAILRACE_NAT_SOURCE": "netlink", "TAILRACE_NAT_BUFFER_BYTES": "4096"}
        with Watch.started(tmp_path / "flows.jsonl", [f"{network.prefix}*"], settings) as watch:
            backends = Backends(network)
            try:
                made = network.within(CLIENT, lambda: calls(PACES["within_100_ms"]))
            finally:
                backends.close()
            rows = watch.rows()
    flows = [row for row in rows if row["kind"] == "flow" and row["client.port"] in PORTS]
    failures = misled(made, backends.took, flows)
    assert not failures, f"{len(failures)} of {len(made)}\n" + "\n".join(failures[:10])


def test_an_attempt_that_is_answered_late_is_told_of_who_took_it(tmp_path: Path) -> None:
    """Its SYN is lost for longer than a second, while the tuple's last connection has an entry to another server."""
    with nat_network() as network:
        network.run(SERVER, f"ip addr add {_OTHER}/24 dev eth0")
        dnat = f"iptables-legacy -t nat -{{}} PREROUTING -p tcp -d {_GATE} --dport 80 -j DNAT --to {{}}:8080"
        lose = f"iptables-legacy -t raw -{{}} PREROUTING -p tcp -s {_HERE} --sport {PORTS[0]} -j DROP"
        network.run(ROUTER, dnat.format("A", _THERE))
        with Watch.started(tmp_path / "flows.jsonl", [f"{network.prefix}*"]) as watch:
            backends = Backends(network)
            try:
                network.within(CLIENT, lambda: call(PORTS[0], 0))
                for rule in (dnat.format("D", _THERE), dnat.format("A", _OTHER), lose.format("A")):
                    network.run(ROUTER, rule)
                lost = threading.Timer(2.5, lambda: network.run(ROUTER, lose.format("D")))
                lost.start()
                network.within(CLIENT, lambda: call(PORTS[0], 1))
                lost.join()
            finally:
                backends.close()
            rows = [row for row in watch.rows() if row["kind"] == "flow" and row["client.port"] in PORTS]
    assert backends.took == {0: (_THERE, PORTS[0]), 1: (_OTHER, PORTS[0])}
    assert any(map(unanswered, rows))
    assert wrong([PORTS[0]] * 2, backends.took, rows) == []
