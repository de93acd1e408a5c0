"""Rows per second of processor time that get the names of their owners; and the whole way through an engine."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from actors.joiner import Joiner
from actors.nat import NatTable
from actors.owners import Owners
from actors.rekey import Rekeyer
from actors.resolver import Resolver
from actors.window_join import WindowJoin
from actors.workloads import Workloads
from benchmarks.children import alone
from benchmarks.connections import FIRST_WINDOW, Connections
from benchmarks.figure import Bar, Reading
from benchmarks.join_rate import SOCKETS, check, medians, timed
from engine.batch import DeltaBatch, fitting
from engine.commands.process import give_memory_back
from engine.enricher import Entity
from engine.flow_batch import FlowBatch
from engine.ledger import Ledger, Stage
from engine.schema import Columns, Role
from enrichers.cluster import ClusterIdentity
from enrichers.names import ConfiguredNames

#: Processes of a node, as many pods; connections are spread over them.
PROCESSES: Final = 400
#: Rows offered in a second.
SIZES: Final = (10_000, 100_000, 1_000_000)
WAIT_SECONDS: Final = 2.0
WINDOWS: Final = 9
PATHS: Final = [f"/kubepods.slice/cri-containerd-{number:064x}.scope" for number in range(PROCESSES)]


def entity_of(number: int) -> Entity:
    """As the enrichers of a node have it."""
    return {
        "process.executable.name": f"app-{number}",
        "container.id": f"{number:064x}",
        "container.image.name": "shop/app",
        "k8s.namespace.name": "shop",
        "k8s.workload.name": f"app-{number % 50}",
        "k8s.workload.kind": "Deployment",
    }


class Known:
    """Answers for every process, from memory."""

    version = 1

    def __init__(self) -> None:
        self._entities = [entity_of(number) for number in range(PROCESSES)]

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Nothing."""

    def attributes(self, pid: int, cgroup_path: str, at_ns: int) -> Entity:
        """By the number of the process."""
        return self._entities[pid % PROCESSES]


def owned(columns: Columns) -> Columns:
    """Rows of the node's processes."""
    numbers = columns["socket.slot"] % PROCESSES
    return columns | {"process.pid": (numbers + PROCESSES).astype(np.uint32), "cgroup.index": numbers}


def named(count: int) -> float:
    """Seconds of processor time for the owners of a second's rows, none of them new."""
    columns, owners = owned(Connections(count // 2, rewritten=False).ends()), Owners(count, Known())

    def second(window: int) -> float:
        rows = dict(columns)
        seconds = timed(lambda: owners.identify(rows, PATHS, window))
        assert int(rows["entity.index"].max()) == PROCESSES
        return seconds

    return medians(second, WINDOWS)


def named_rows(count: int) -> float:
    """The peer: a dictionary of processes, asked for each row."""
    columns, who = owned(Connections(count // 2, rewritten=False).ends()), Known()
    known = {
        (pid, PATHS[pid % PROCESSES]): who.attributes(pid, "", 0) for pid in range(PROCESSES, 2 * PROCESSES)
    }
    pairs = list(zip(columns["process.pid"].tolist(), columns["cgroup.index"].tolist(), strict=True))
    return medians(lambda _: timed(lambda: [known[pid, PATHS[group]] for pid, group in pairs]), 3)


def sent(columns: Columns, entities: list[Entity], window: int) -> list[bytes]:
    """The messages of a second, of two nodes: one has the callers, the other those who were called."""
    messages = []
    for role in (Role.CLIENT, Role.SERVER):
        mine = columns["connection.role"] == role
        part = {name: column[mine] for name, column in columns.items()}
        batch = DeltaBatch(role.name, "boot", window * 1000, window, part, PATHS, entities=entities)
        messages += [chunk.encode() for chunk in fitting(replace(batch))]
    return messages


def whole_way(count: int) -> float:
    """Seconds of processor time for a second's messages: decoded, followed, joined, named, summed up."""
    give_memory_back()
    ledger, entries = Ledger(), NatTable(16, Stage("entries"))
    columns = owned(Connections(count // 2, rewritten=False).ends())
    Resolver(count, entries).resolve(columns, FIRST_WINDOW)
    columns["entity.index"] = np.add(columns["cgroup.index"], np.uint32(1))
    entities = [{}, *map(entity_of, range(PROCESSES))]
    cluster = ClusterIdentity([ConfiguredNames({"10.0.0.0/8": "inside"})])
    joiner = Joiner("engine", "boot", ledger, max(262_144, count), cluster)
    join = WindowJoin(1, joiner, Rekeyer(entries), ledger.stage("join", "rows"), WAIT_SECONDS)
    workloads = Workloads(ledger, 50_000)

    def second(window: int) -> float:
        messages, flows, now = sent(columns, entities, window), list[FlowBatch](), time.monotonic()

        def work() -> None:
            for message in messages:
                join.add(DeltaBatch.decode(message), 0, message, now)
            assert not list(join.moving(now + WAIT_SECONDS))
            for number in join.due(now + WAIT_SECONDS):
                flows.extend(join.close(number)[0])
            assert sum(map(len, workloads.of(flows)))

        seconds = timed(work)
        check([batch for batch in flows if len(batch)], count // 2)
        return seconds

    return medians(second, WINDOWS)


def measure() -> Iterator[Reading]:
    """Rows per second of processor time that get an owner's name."""
    mine, peer = (SOCKETS / alone(work, SOCKETS) for work in (named, named_rows))
    note = f"{SOCKETS:,} rows of open sockets of {PROCESSES} processes"
    yield Reading(mine, "rows/s", Bar(at_least=3e6), "dictionary per row", peer, "more", note)


def measure_way() -> Iterator[Reading]:
    """Rows per second of processor time on the whole way, and how much dearer a row is at one rate than another."""
    rates = {count: count / alone(whole_way, count) for count in SIZES}
    shown = "; ".join(f"{count:,} a second: {rate / 1e6:.2f} M rows/s" for count, rate in rates.items())
    note = f"decoded, followed, joined, named, summed up to workloads; NATS is not in it. {shown}"
    yield Reading(min(rates.values()), "rows/s", Bar(at_least=5e5), note=note)
    yield Reading(
        max(rates.values()) / min(rates.values()), "x", Bar(at_most=1.1), note="dearest row over cheapest"
    )
