"""What a second costs the socket table: all counters of all sockets changed, beside a loop over rows."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Final

import numpy as np

from actors.node.sockets import SocketTable
from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.peers.rows import RowTable
from engine.commands.process import give_memory_back
from model.kinds.delta import COUNTERS
from model.ledger import Stage
from probes.kernel.frames import SnapshotFrame
from probes.kernel.layout import structs

SIZES: Final = (1_000, 10_000, 100_000)
TICKS: Final = 15
_ESTABLISHED: Final = 1

Snapshots = Callable[[], SnapshotFrame]


def snapshots(sockets: int) -> Snapshots:
    """Gives one snapshot after the other in which every counter of every socket has grown."""
    slots = np.arange(sockets, dtype=np.uint32)
    cells = np.zeros(sockets, structs("tcp")["cell"])
    cells["socket"] = cells["generation"] = cells["read_generation"] = 1
    cells["state"] = _ESTABLISHED
    descriptions = np.zeros(sockets, structs("tcp")["description"])
    descriptions["generation"], descriptions["family"] = 1, 4
    descriptions["started_ns"] = descriptions["established_ns"] = 1
    descriptions["local_port"], descriptions["peer_port"] = slots & 0xFFFF, slots >> 16
    descriptions["owner"]["cgroup_id"] = slots % 50
    new = slots

    def following() -> SnapshotFrame:
        nonlocal new
        for place, name in enumerate(COUNTERS):
            cells["counters"][name] += place + 1000
        frame = SnapshotFrame(0, 0, slots, cells.copy(), new, descriptions[new], {})
        new = slots[:0]
        return frame

    return following


def seconds_each(tick: Callable[[SnapshotFrame], object], following: Snapshots, ticks: int) -> float:
    """The median of some ticks in seconds; the first, in which all sockets are new, is not counted."""
    tick(following())
    taken = []
    for _ in range(ticks):
        frame = following()
        begin = time.perf_counter()
        tick(frame)
        taken.append(time.perf_counter() - begin)
    return median(taken)


def tick_seconds(sockets: int) -> float:
    """Our table: the delta rows of a second, as columns."""
    give_memory_back()  # as ``tailrace run`` does: it decides what large columns cost
    table = SocketTable(sockets, Stage("events"))
    return seconds_each(table.tick, snapshots(sockets), TICKS)


def row_seconds(sockets: int) -> float:
    """The peer: the same rows as dictionaries."""
    return seconds_each(RowTable().tick, snapshots(sockets), 3)


def measure_cost() -> Iterator[Reading]:
    """Milliseconds at 100,000 sockets."""
    most = SIZES[-1]
    mine, peer = alone(tick_seconds, most) * 1e3, alone(row_seconds, most) * 1e3
    yield Reading(mine, "ms", Bar(at_most=20), "dict per row", peer, note=f"{most:,} sockets, all changed")


def measure_growth() -> Iterator[Reading]:
    """How much dearer a row becomes up to 100,000 sockets, from 1,000 and from 10,000: 1 is linear.

    At 10,000 it is cheapest: the fixed cost is spread, and the columns still fit the caches.
    """
    cost = {sockets: alone(tick_seconds, sockets) for sockets in SIZES}
    rows = {sockets: seconds / sockets * 1e9 for sockets, seconds in cost.items()}
    shown = "; ".join(
        f"{sockets:,}: {cost[sockets] * 1e3:.2f} ms, {rows[sockets]:.0f} ns/row" for sockets in SIZES
    )
    yield Reading(rows[SIZES[2]] / rows[SIZES[0]], "x", Bar(at_most=1.0), note=f"from 1,000; {shown}")
    yield Reading(rows[SIZES[2]] / rows[SIZES[1]], "x", Bar(at_most=1.5), note="from 10,000")
