"""Rows of short connections of one client to one server, as a web load gives them: few values in most columns."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from actors.join.joiner import Joiner
from benchmarks.connections import FIRST_WINDOW, Connections
from model.arrays import Columns
from model.batch import Batch
from model.clock import SECOND_NS
from model.kinds.delta import DELTA, CloseReason, Evidence, Role
from model.ledger import Ledger
from tailrace.testing.deltas import unresolved

#: Slots that are taken again and again, and different values of measures, as in a recording of nginx.
_SLOTS: Final = 10
_RTTS: Final = 30
_SMALLEST_RTTS: Final = 10
_RATES: Final = 64
_LATENCIES: Final = 1400
_TABLES: Final = {
    "cgroups": ["", "/system.slice/nginx.service"],
    "entities": [{}, {"host.name": "node-a", "systemd.unit": "nginx.service"}],
}


def web_deltas(connections: int, window: int = FIRST_WINDOW) -> Batch:
    """Both ends of so many connections that are opened and closed within a second."""
    ends = Connections(connections, rewritten=False).ends(window=window, short=True)
    columns = DELTA.empty(2 * connections) | unresolved(ends)
    random = np.random.default_rng(window)
    client = columns["connection.role"] == Role.CLIENT
    _owners(columns, client)
    _times(columns, random, window)
    for name, mine, other in (("tx", 60, 244), ("rx", 244, 60)):
        columns[f"{name}_bytes"][:] = columns[f"{name}_bytes_total"][:] = np.where(client, mine, other)
        columns[f"{name}_segments"][:] = np.where(client & (name == "tx"), 5, 4)
    return Batch(DELTA, "node-a", "boot-1", 0, window, columns, _TABLES)


def web_flows(connections: int, seconds: int) -> Iterator[list[Batch]]:
    """Those connections of some seconds joined, in chunks."""
    joiner = Joiner("engine", "boot-1", Ledger())
    for window in range(FIRST_WINDOW, FIRST_WINDOW + seconds):
        for chunk in web_deltas(connections, window).chunked():
            joiner.add(chunk)
        yield list(joiner.close(window))


def _owners(columns: Columns, client: np.ndarray) -> None:
    for name, mine, other in (
        ("process.pid", 4711, 815),
        ("thread.id", 4712, 815),
        ("process.comm", b"client", b"nginx"),
        ("user.id", 1000, 33),
        ("owner.evidence", Evidence.OPENED, Evidence.ACCEPTED),
        ("connection.close_reason", CloseReason.FIN_RECEIVED, CloseReason.FIN_SENT),
    ):
        columns[name][:] = np.where(client, mine, other)
    columns["cgroup.id"][:], columns["cgroup.index"][:], columns["entity.index"][:] = 4589, 1, 1


def _times(columns: Columns, random: np.random.Generator, window: int) -> None:
    rows = len(columns["socket.slot"])
    # both ends of a connection, known by its port, within microseconds
    opened = np.sort(random.integers(0, SECOND_NS, 1 << 16))[columns["connection.source.port"]]
    opened = opened.astype(np.uint64) + window * SECOND_NS + (columns["connection.role"] == Role.SERVER)
    columns["connection.opened_at_ns"][:] = opened
    columns["connection.closed_at_ns"][:] = opened + random.integers(60_000, 200_000, rows).astype(np.uint64)
    columns["connection.connect_latency_ns"][:] = 7000 + random.integers(0, _LATENCIES, rows)
    columns["socket.slot"][:] = np.arange(rows) % _SLOTS
    columns["socket.generation"][:] = np.arange(rows) // _SLOTS
    for name, different, unit in (
        ("rtt_ns", _RTTS, 1000),
        ("rtt_min_ns", _SMALLEST_RTTS, 1000),
        ("delivery_rate_bytes_per_second", _RATES, 16_000_000),
    ):
        columns[name][:] = (1 + random.integers(0, different, rows)) * unit
    columns["cwnd_segments"][:] = 10
