"""Whether each connection through DNAT is one flow of both ends, with the backend whose nginx logged it."""

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.dnat import SERVICE_PORT, Request, Service, service
from benchmarks.figure import Bar, Reading
from benchmarks.peers import paired
from benchmarks.rows_file import lines_of
from benchmarks.watchers import tailrace

SECONDS: Final = 10
CONNECTIONS: Final = 32
#: From the end of the load until what was under way has ended and the last window is cut.
LAST_SECONDS: Final = 3.0
DEADLINE_SECONDS: Final = 60.0
_CLOSED: Final = b'"connection.closed":true'

#: Side, slot, generation.
Socket = tuple[str, int, int]


class Line(msgspec.Struct):
    """What is read of a line."""

    kind: str
    called: str = msgspec.field(name="service.address", default="")
    called_port: int = msgspec.field(name="service.port", default=0)
    port: int = msgspec.field(name="client.port", default=0)
    server: str = msgspec.field(name="server.address", default="")
    evidence: str = ""
    opened_at: int = msgspec.field(name="connection.opened_at_ns", default=0)
    client_slot: int | None = msgspec.field(name="client.socket.slot", default=None)
    client_generation: int | None = msgspec.field(name="client.socket.generation", default=None)
    server_slot: int | None = msgspec.field(name="server.socket.slot", default=None)
    server_generation: int | None = msgspec.field(name="server.socket.generation", default=None)
    stages: dict[str, Any] = {}

    @property
    def client(self) -> Socket | None:
        """The socket of the end that called."""
        return _socket("client", self.client_slot, self.client_generation, self.opened_at)

    @property
    def server_socket(self) -> Socket | None:
        """The socket of the end that answered."""
        return _socket("server", self.server_slot, self.server_generation, self.opened_at)


def _socket(side: str, slot: int | None, generation: int | None, opened_at: int) -> Socket | None:
    """One that found no slot is reported by its time."""
    return None if generation is None else (side, opened_at if slot is None else slot, generation)


class Reported:
    """Connections to a service, as ``tailrace run`` wrote them.

    :param whole: those with both ends in any second, in the order in which they were opened.
    :param others: sockets that never met their other end.
    """

    def __init__(self, lines: Iterable[bytes], address: str) -> None:
        decoder, flows, self.ledger = msgspec.json.Decoder(Line), list[Line](), dict[str, Any]()
        for line in map(decoder.decode, lines):
            if line.kind == "ledger":
                self.ledger = line.stages
            elif (line.called, line.called_port) == (address, SERVICE_PORT):
                flows.append(line)
        whole = {(line.client, line.server_socket): line for line in flows if line.evidence == "both"}
        self.whole = sorted(whole.values(), key=lambda line: line.opened_at)
        sockets = {socket for line in flows for socket in (line.client, line.server_socket) if socket}
        self.others = len(sockets - {socket for pair in whole for socket in pair})

    @property
    def lost(self) -> dict[str, int]:
        """What the ledger says was lost, by stage and reason."""
        return {
            f"{name}.{reason}": count
            for name, stage in self.ledger.items()
            for reason, count in stage["dropped"].items()
            if count
        }

    def compared(self, truth: list[Request]) -> tuple[int, int]:
        """How many requests have their flow, and how many flows name the wrong backend.

        A client's port serves again, seconds later, and may come to the other backend: the order tells them apart.
        """
        flows = defaultdict[int, list[str]](list)
        for line in self.whole:
            flows[line.port].append(line.server)
        right = wrong = 0
        for port, backends in by_port(truth).items():
            same = [reported == backend for reported, backend in zip(flows[port], backends, strict=False)]
            right, wrong = right + sum(same), wrong + same.count(False)
        return right, wrong


def by_port(requests: Iterable[Request]) -> dict[int, list[str]]:
    """Backends in the order of requests."""
    backends = defaultdict[int, list[str]](list)
    for request in requests:
        backends[request.port].append(request.backend)
    return backends


def full_speed(
    site: Service,
    watchers: Iterable[AbstractContextManager[object]],
    settled: Callable[[int], bool] = lambda _: True,
) -> list[Request]:
    """What the backends logged of a load that all of ``watchers`` watch.

    :param settled: whether so many connections have been reported; on a busy machine that takes its time.
    """
    with site.up(), ExitStack() as stack:
        for watcher in watchers:
            stack.enter_context(watcher)
        site.ask(SECONDS, CONNECTIONS)
        time.sleep(LAST_SECONDS)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not settled(len(site.requests())) and time.monotonic() < deadline:
            time.sleep(1)
    return site.requests()


def reported() -> tuple[list[Request], Reported]:
    """The load with Tailrace."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, service() as site:
        output = Path(folder, "flows.jsonl")

        def settled(count: int) -> bool:
            return sum(line.count(_CLOSED) for line in lines_of(output)) >= count

        truth = full_speed(site, [tailrace(output, stage="flows")], settled)
        return truth, Reported(lines_of(output), site.address)


def told_by_peers() -> tuple[list[Request], dict[str, paired.Pairs]]:
    """The same load with the peers, both at once."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, service() as site:
        events, samples = Path(folder, "events"), Path(folder, "samples")
        client, router, *backends = site.places
        spaces = [place.namespace for place in (client, *backends)]
        watchers = [paired.events(router.namespace, events), paired.samples(spaces, samples)]
        truth = full_speed(site, watchers)
        addresses = {place.namespace: place.ipv4 for place in backends}
        return truth, {
            paired.CONNTRACK: paired.told_by_events(events, site.address),
            paired.SS: paired.told_by_samples(samples, client.namespace, addresses),
        }


def measure() -> Iterator[Reading]:
    """Percent of connections that are one flow with both ends and the right backend; then those with a wrong one."""
    truth, ours = reported()
    right, wrong = ours.compared(truth)
    shares = Counter(request.backend for request in truth)
    note = f"{len(truth):,} connections in {SECONDS} s, {sorted(shares.values())} by backend"
    note += f"; {ours.others} ends alone; lost: {ours.lost or 'nothing'}"
    logged, peers = told_by_peers()
    asked = Counter((request.port, request.backend) for request in logged)
    for name, pairs in peers.items():
        found = (asked & pairs).total()
        remark = f"{note}; peer: {found:,} of {len(logged):,}"
        share, theirs = 100 * right / len(truth), 100 * found / len(logged)
        yield Reading(share, "%", Bar(at_least=100), name, theirs, "more", remark)
    yield Reading(wrong, "wrong backends", Bar(at_most=0), note="by the logs of both nginx")
    yield Reading(sum(ours.lost.values()), "lost", Bar(at_most=0), note="all stages of the ledger")
