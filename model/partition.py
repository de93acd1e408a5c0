"""Which partition a row belongs to: both ends of a connection meet at the same one."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from model.arrays import Array, Columns, lean, taken
from model.batch import Batch
from model.transport import Transport

_ADDRESS_HIGH = np.uint64(0x9E3779B97F4A7C15)
_ADDRESS_LOW = np.uint64(0xC2B2AE3D27D4EB4F)
_PORT = np.uint64(0x165667B19E3779F9)
_TRANSPORT = np.uint64(0xD6E8FEB86659FD93)


def partition_of(columns: Columns, partitions: int) -> np.ndarray:
    """The partition of each row, from the resolved tuple without regard to who called; shape (n,), uint32.

    TCP, which was there first, adds nothing; another transport adds its number. The mixing is the finalizer of
    MurmurHash3 (64 bit). Other programs may compute it; it never changes.
    """
    return (hash_of_ends(columns) % np.uint64(partitions)).astype(np.uint32)


def block_of(columns: Columns, blocks: int) -> np.ndarray:
    """One of so many parts of a partition for each row, both ends of a connection in the same; shape (n,), uint8."""
    return ((hash_of_ends(columns) >> np.uint64(32)) * np.uint64(blocks) >> np.uint64(32)).astype(np.uint8)


def hash_of_ends(columns: Columns) -> np.ndarray:
    """Of the resolved tuple without regard to who called; shape (n,), uint64."""
    ends = _endpoint(columns["connection.source.address"], columns["connection.source.port"])
    ends += _endpoint(columns["connection.destination.address"], columns["connection.destination.port"])
    others = columns["network.transport"].astype(np.uint64) ^ np.uint64(Transport.TCP)
    if others.any():
        ends += others * _TRANSPORT
    return _mix(ends)


def _endpoint(addresses: Array, ports: Array) -> np.ndarray:
    halves = np.ascontiguousarray(addresses).view("<u8").reshape(-1, 2)
    mixed = halves[:, 0] * _ADDRESS_HIGH ^ halves[:, 1] * _ADDRESS_LOW ^ ports.astype(np.uint64) * _PORT
    return _mix(mixed)


def _mix(values: np.ndarray) -> np.ndarray:
    values = (values ^ values >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ values >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: np.ndarray = values ^ values >> np.uint64(33)
    return mixed


def by_partition(batch: Batch, partitions: int) -> Iterator[tuple[int, Batch]]:
    """The rows of ``batch`` apart by partition; partitions without rows are left out."""
    places, columns = partition_of(batch.columns, partitions), lean(batch.columns)
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(partitions), side="right")
    begin = 0
    for partition, end in enumerate(ends.tolist()):
        if end > begin:
            rows = order[begin:end]
            parts = {name: taken(column, rows) for name, column in columns.items()}
            yield partition, replace(batch, columns=parts)
        begin = end
