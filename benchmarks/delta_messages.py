"""Delta rows as messages, and their sum for each connection: columns as Tailrace sends them, and maps beside them."""

from collections import defaultdict
from typing import Any, Final, Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt

from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from actors.node.sockets import SocketTable
from benchmarks.tick_cost import snapshots
from model.batch import Batch
from model.kinds.delta import DELTA
from model.ledger import Stage
from model.message import decode

SOCKETS: Final = 64_000


class Summing(Protocol):
    """Adds up the bytes of each connection over messages."""

    def take(self, message: bytes) -> int:
        """Adds a message; the number of its rows."""

    def total(self) -> int:
        """Of all connections."""


class Columns:
    """Ours: columns of a batch, added to an array by slot."""

    def __init__(self) -> None:
        self._sums = np.zeros(SOCKETS, np.uint64)

    def take(self, message: bytes) -> int:
        """One batch."""
        columns = decode(message).columns
        moved: npt.NDArray[np.uint64] = np.add(columns["tx_bytes"], columns["rx_bytes"])
        np.add.at(self._sums, cast(npt.NDArray[np.uint32], columns["socket.slot"]), moved)
        return len(moved)

    def total(self) -> int:
        """Bytes."""
        return int(self._sums.sum())


class RowMaps:
    """The peers: a map for each row, added to a dictionary; a message is a row, or a list of them."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[int, int], int] = defaultdict(int)

    def take(self, message: bytes) -> int:
        """One row or one list of rows."""
        decoded = msgspec.msgpack.decode(message)
        rows = decoded if isinstance(decoded, list) else [decoded]
        for row in rows:
            self._sums[row["socket.slot"], row["socket.generation"]] += row["tx_bytes"] + row["rx_bytes"]
        return len(rows)

    def total(self) -> int:
        """Bytes."""
        return sum(self._sums.values())


def window() -> Batch:
    """A second of all sockets, as an agent cuts it; nothing rewrites their connections."""
    columns, cgroups = SocketTable(SOCKETS, Stage("events")).tick(snapshots(SOCKETS)())
    columns["entity.index"] = np.zeros(SOCKETS, np.uint32)
    chains = Resolver(SOCKETS, NatTable(1, Stage("entries"))).resolve(columns, 1)
    return Batch(DELTA, "node-1", "boot-1", 0, 1, columns, {"cgroups": cgroups, "chains": chains})


def batches(count: int) -> list[bytes]:
    """Messages of ``CHUNK_ROWS`` rows."""
    encoded = [chunk.encode() for chunk in window().chunked()]
    return [encoded[number % len(encoded)] for number in range(count)]


def row_maps(count: int) -> list[dict[str, Any]]:
    """The same rows with names."""
    rows = [row for _, row in zip(range(count), window().rows(), strict=False)]
    return [rows[number % len(rows)] for number in range(count)]
