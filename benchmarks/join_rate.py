"""Rows per second of processor time through NAT look-up, pairing and flow building, beside dictionaries."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Final

import numpy as np

from actors.join.joiner import Joiner
from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from benchmarks.children import alone
from benchmarks.connections import FIRST_WINDOW, Connections
from benchmarks.figure import Bar, Reading
from benchmarks.peers.row_join import RowJoin, pairs_of, rows_of
from engine.commands.process import give_memory_back
from model.arrays import Columns
from model.batch import Batch
from model.errors import TailraceError
from model.kinds.delta import DELTA
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger

SOCKETS: Final = 100_000
#: Connections of a second, for the figure of new ones.
NEW: Final = 30_000
#: Parts in which the events of a second come: the feed is drained ten times.
DRAINS: Final = 10
WINDOWS: Final = 15
PEER_WINDOWS: Final = 3

Second = Callable[[int], float]


class Node:
    """What a node does with its rows: resolve, join."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self.nat = NatTable(SOCKETS, self._ledger.stage("nat", "entries"))
        self._resolver = Resolver(SOCKETS, self.nat)
        self._joiner = Joiner("node", "boot", self._ledger)

    def join(self, columns: Columns, window: int) -> list[Batch]:
        """The flows of a second."""
        chains = self._resolver.resolve(columns, window)
        self._joiner.add(Batch(DELTA, "node", "boot", window, window, columns, {"chains": chains}))
        return list(self._joiner.close(window))


def check(flows: list[Batch], connections: int) -> None:
    """Every connection is there once, with both ends.

    :raises TailraceError: if not.
    """
    whole = sum(int((batch.columns["evidence"] == FlowEvidence.BOTH).sum()) for batch in flows)
    if not sum(map(len, flows)) == whole == connections:
        raise TailraceError(f"{whole} connections were joined of {connections}")


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def medians(second: Second, windows: int) -> float:
    """Seconds of a window; the first two, in which columns grow, are not counted."""
    taken = [second(FIRST_WINDOW + number) for number in range(windows + 2)]
    return median(taken[2:])


def established(rewritten: bool) -> float:
    """Seconds of processor time for a second in which all sockets report and none is new."""
    give_memory_back()
    connections, node = Connections(SOCKETS // 2, rewritten=rewritten), Node()
    node.nat.learn(connections.entries(), 0)
    rows = connections.ends()

    def second(window: int) -> float:
        columns, flows = dict(rows), list[Batch]()
        seconds = timed(lambda: flows.extend(node.join(columns, window)))
        check(flows, SOCKETS // 2)
        return seconds

    return medians(second, WINDOWS)


def established_rows(rewritten: bool) -> float:
    """The same of the peer; its rows are dictionaries from the start, which is not counted."""
    connections, peer = Connections(SOCKETS // 2, rewritten=rewritten), RowJoin()
    peer.learn(pairs_of(connections.entries()))
    rows = rows_of(connections.ends())
    return medians(lambda _: timed(lambda: peer.join(rows)), PEER_WINDOWS)


def short_lived(count: int) -> float:
    """Seconds of processor time for a second of connections that begin and end in it, each with a NAT entry."""
    give_memory_back()
    connections, node = Connections(count, rewritten=True), Node()
    part = 2 * count // DRAINS

    def second(window: int) -> float:
        generation, flows = window - FIRST_WINDOW, list[Batch]()
        new, gone = (connections.entries(generation, window, gone=gone) for gone in (False, True))
        events = np.stack((new, gone), axis=1).ravel()  # in turns, as ports that are used again have it
        columns = connections.ends(generation, window, short=True)

        def work() -> None:
            for begin in range(0, len(events), part):
                node.nat.learn(events[begin : begin + part], 0)
            flows.extend(node.join(columns, window))

        seconds = timed(work)
        check(flows, count)
        return seconds

    return medians(second, WINDOWS)


def short_lived_rows(count: int) -> float:
    """The same of the peer, which forgets entries only after the window: it has no times."""
    connections, peer = Connections(count, rewritten=True), RowJoin()

    def second(window: int) -> float:
        generation = window - FIRST_WINDOW
        pairs = pairs_of(connections.entries(generation, window))
        rows = rows_of(connections.ends(generation, window, short=True))

        def work() -> None:
            peer.learn(pairs)
            peer.join(rows)
            peer.forget(pairs)

        return timed(work)

    return medians(second, PEER_WINDOWS)


def measure_rate() -> Iterator[Reading]:
    """Rows per second of processor time: sockets that stay, without rewriting and with."""
    for rewritten, said in ((False, "not rewritten"), (True, "each rewritten")):
        mine, peer = (SOCKETS / alone(work, rewritten) for work in (established, established_rows))
        note = f"{SOCKETS:,} sockets, {said}; median of {WINDOWS} windows"
        yield Reading(mine, "rows/s", Bar(at_least=1e6), "dict per row", peer, "more", note)


def measure_new() -> Iterator[Reading]:
    """Connections per second of processor time: all new, and over within the second."""
    mine, peer = (NEW / alone(work, NEW) for work in (short_lived, short_lived_rows))
    note = f"{NEW:,} a second, each with an entry that comes and goes; median of {WINDOWS} windows"
    yield Reading(mine, "conn/s", Bar(at_least=60_000), "dict per row", peer, "more", note)
