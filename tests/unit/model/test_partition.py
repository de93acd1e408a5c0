"""Partitions: both ends of a connection meet, and load spreads."""

import numpy as np

from model.kinds.delta import DELTA
from model.partition import by_partition, partition_of
from model.transport import Transport
from tailrace.testing.deltas import make_deltas


def test_both_ends_fall_into_the_same_partition() -> None:
    """Exchanging local and peer changes nothing."""
    columns = make_deltas(5000, seed=1).columns
    other = dict(columns)
    for part in ("address", "port"):
        ends = f"connection.source.{part}", f"connection.destination.{part}"
        other |= dict(zip(ends, (columns[name] for name in reversed(ends)), strict=True))
    assert np.array_equal(partition_of(columns, 7), partition_of(other, 7))


def test_connections_of_one_pair_of_hosts_spread() -> None:
    """Only the client's port differs, and still every partition gets its share, within a fifth."""
    columns = make_deltas(8000, seed=2).columns
    for name in ("connection.source.address", "connection.destination.address"):
        columns[name] = np.full(8000, columns[name][0])
    columns["connection.source.port"] = np.arange(8000, dtype=np.uint16) + 30000
    columns["connection.destination.port"] = np.full(8000, 443, np.uint16)
    shares = np.bincount(partition_of(columns, 8), minlength=8)
    assert shares.min() > 800
    assert shares.max() < 1200


def test_the_mapping_is_fixed() -> None:
    """Agents and engines of different versions must agree for ever: these numbers never change."""
    columns = make_deltas(3, seed=3).columns
    columns["connection.source.address"] = np.frombuffer(bytes(10) + b"\xff\xff\x0a\0\0\x01", "V16").repeat(3)
    columns["connection.destination.address"] = np.frombuffer(
        bytes(10) + b"\xff\xff\x0a\0\0\x02", "V16"
    ).repeat(3)
    columns["connection.source.port"] = np.array([1, 2, 3], np.uint16)
    columns["connection.destination.port"] = np.array([80, 80, 80], np.uint16)
    assert partition_of(columns, 1024).tolist() == [670, 588, 139]
    columns["network.transport"] = np.array([Transport.TCP, Transport.UDP, Transport.UDP], np.uint8)
    assert partition_of(columns, 1024).tolist() == [670, 142, 317]


def test_rows_are_divided_without_loss() -> None:
    """Every row is in exactly one part, in its old order."""
    batch = make_deltas(1000, seed=4)
    parts = dict(by_partition(batch, 5))
    places = partition_of(batch.columns, 5)
    assert sum(map(len, parts.values())) == 1000
    for partition, part in parts.items():
        for name in DELTA.types:
            assert part.columns[name].tobytes() == batch.columns[name][places == partition].tobytes()
