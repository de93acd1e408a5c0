"""Rows per second of processor time that an engine makes into flows: decoded, held, followed, joined."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from actors.items import Chunk, Tick
from actors.join.joiner import Joiner
from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from actors.windows.completeness import DistributedCompleteness
from actors.windows.cross_node import CrossNode
from actors.windows.hold import WindowHold
from benchmarks.children import alone
from benchmarks.connections import FIRST_WINDOW, Connections
from benchmarks.figure import Reading
from benchmarks.join_rate import SOCKETS, check, medians, timed
from benchmarks.peers.row_join import RowJoin, rows_of
from engine.commands.process import give_memory_back
from model.arrays import Columns
from model.batch import Batch
from model.kinds.delta import DELTA, Role
from model.ledger import Ledger, Stage
from model.message import decode

WAIT_SECONDS: Final = 2.0
PEER_BATCH: Final = 1000


def sent(columns: Columns, window: int) -> list[bytes]:
    """The messages of a second, of two nodes: one has the callers, the other those who were called."""
    messages = []
    for role in (Role.CLIENT, Role.SERVER):
        mine = columns["connection.role"] == role
        part = {name: column[mine] for name, column in columns.items()}
        batch = Batch(DELTA, role.name, "boot", 0, window, part)
        messages += [chunk.encode() for chunk in replace(batch, seq=window * 100).fitting()]
    return messages


def joined(count: int) -> float:
    """Seconds of processor time for a second's messages of so many sockets, none of them new."""
    give_memory_back()
    ledger, entries = Ledger(), NatTable(16, Stage("entries"))
    columns = Connections(count // 2, rewritten=False).ends()
    Resolver(count, entries).resolve(columns, FIRST_WINDOW)
    cross_node = CrossNode(entries, lambda: 1, ledger.stage("join", "rows"))
    hold = WindowHold(DistributedCompleteness(WAIT_SECONDS), cross_node)
    joiner = Joiner("engine", "boot", ledger)

    def second(window: int) -> float:
        messages, flows, now = sent(columns, window), list[Batch](), time.monotonic()

        def work() -> None:
            for message in messages:
                assert not list(hold.handle(Chunk(decode(message), at=now)))
            for window in hold.handle(Tick(now + WAIT_SECONDS)):
                flows.extend(batch for joined in joiner.handle(window) for batch in joined.batches)

        seconds = timed(work)
        check([batch for batch in flows if len(batch)], count // 2)
        return seconds

    return medians(second, 15)


def joined_rows(count: int) -> float:
    """The same of the peer: maps in msgpack, some at a time, joined in a dictionary."""
    rows = rows_of(Connections(count // 2, rewritten=False).ends())
    messages = [
        msgspec.msgpack.encode(rows[first : first + PEER_BATCH]) for first in range(0, count, PEER_BATCH)
    ]
    peer = RowJoin()

    def work() -> None:
        peer.join([row for message in messages for row in msgspec.msgpack.decode(message)])

    return medians(lambda _: timed(work), 3)


def measure() -> Iterator[Reading]:
    """Rows per second of processor time, from the bytes of messages to flows."""
    mine, peer = (SOCKETS / alone(work, SOCKETS) for work in (joined, joined_rows))
    note = f"to flows of both ends: {SOCKETS:,} rows a second, of two nodes; NATS is not in it"
    yield Reading(
        mine, "rows/s", peer=f"{PEER_BATCH:,} maps, dict join", peer_value=peer, better="more", note=note
    )
