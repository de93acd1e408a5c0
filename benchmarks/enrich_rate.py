"""Rows per second of processor time that get the names of their owners; and the whole way through an engine."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from actors.node.owners import Owners
from benchmarks.children import alone
from benchmarks.connections import Connections
from benchmarks.figure import Bar, Reading
from benchmarks.join_rate import SOCKETS, medians, timed
from model.arrays import Columns
from model.enricher import Entity

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

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """By the number of the process."""
        return self._entities[pid % PROCESSES]


def owned(columns: Columns) -> Columns:
    """Rows of the node's processes."""
    numbers = columns["socket.slot"] % PROCESSES
    return columns | {"process.pid": (numbers + PROCESSES).astype(np.uint32), "cgroup.index": numbers}


def named(count: int) -> float:
    """Seconds of processor time for the owners of a second's rows, none of them new."""
    columns, owners = owned(Connections(count // 2, rewritten=False).ends()), Owners(count, Known())
    programs = columns["process.pid"].astype(np.uint64) << np.uint64(32)

    def second(window: int) -> float:
        rows = dict(columns)
        seconds = timed(lambda: owners.identify(rows, programs, PATHS, window))
        assert int(rows["entity.index"].max()) == PROCESSES
        return seconds

    return medians(second, WINDOWS)


def named_rows(count: int) -> float:
    """The peer: a dictionary of processes, asked for each row."""
    columns, who = owned(Connections(count // 2, rewritten=False).ends()), Known()
    known = {
        (pid, PATHS[pid % PROCESSES]): who.attributes(pid, 0, "", 0)
        for pid in range(PROCESSES, 2 * PROCESSES)
    }
    pairs = list(zip(columns["process.pid"].tolist(), columns["cgroup.index"].tolist(), strict=True))
    return medians(lambda _: timed(lambda: [known[pid, PATHS[group]] for pid, group in pairs]), 3)


def measure() -> Iterator[Reading]:
    """Rows per second of processor time that get an owner's name."""
    mine, peer = (SOCKETS / alone(work, SOCKETS) for work in (named, named_rows))
    note = f"{SOCKETS:,} rows of open sockets of {PROCESSES} processes"
    yield Reading(mine, "rows/s", Bar(at_least=3e6), "dictionary per row", peer, "more", note)
