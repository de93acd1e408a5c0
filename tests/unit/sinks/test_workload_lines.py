"""Workload rows as they are written, as JSON lines and as public messages."""

import json

import msgpack
import numpy as np
import pytest

from model.kinds.workload import WORKLOAD
from model.public import LARGEST, BadRows, decode_rows, row_parts
from tests.unit.sinks.workload_rows_shown import shown
from tests.workloads import summed_workloads


def test_a_line_says_who_talks_to_whom() -> None:
    """Under the names of the schema; what is zero or empty is left out."""
    lines = [json.loads(line) for _, part in shown().json_lines() for line in part.splitlines()]
    head = {"kind": "workload", "node": "node-a", "boot": "boot-1", "seq": 0, "window": 1700000000}
    (cart,) = (line for line in lines if line["server.port"] == 5432)
    assert cart == head | {
        "client.workload.name": "cart",
        "client.workload.kind": "Deployment",
        "client.workload.namespace": "shop",
        "client.cloud.availability_zone": "eu-north-1a",
        "client.service.version": "1.2",
        "server.port.name": "postgresql",
        "server.workload.name": "orders-database-with-a-long-name",
        "server.workload.kind": "StatefulSet",
        "server.workload.namespace": "shop",
        "server.cloud.availability_zone": "eu-north-1b",
        "server.port": 5432,
        "network.transport": "tcp",
        "bytes": 1_250_000,
        "reply_bytes": 48_300_000,
        "retransmitted_segments": 12,
        "connections.active": 2,
        "connections.opened": 1,
        "evidence.both": 2,
        "rtt_ns": {"count": 2, "sum": 9_187_000, "scale": 3, "buckets": [140, 184], "counts": [1, 1]},
        "connect_latency_ns": {"count": 1, "sum": 250_000, "scale": 3, "buckets": [143], "counts": [1]},
    }


def test_every_column_is_written() -> None:
    """A line of a row in which all is there has each column, or what it points to."""
    columns = dict.fromkeys(("client.rtt_ns", "connection.connect_latency_ns", "window.late_s"), 1)
    lives = dict.fromkeys(("connection.opened", "connection.closed", "connection.failed"), 1)
    batch = summed_workloads(1, columns=columns | lives)
    for name, kind in WORKLOAD.types.items():
        if not name.endswith((".index", ".sum")):
            batch.columns[name][:] = np.ones(1, kind)
    (line,) = (json.loads(line) for _, part in batch.json_lines() for line in part.splitlines())
    for name in WORKLOAD.types:
        measure, _, part = name.rpartition(".")
        assert measure in line or f"{measure}.name" in line if part in ("index", "sum") else name in line


def test_each_client_has_its_subject() -> None:
    """Namespace and name, ``_`` for what is not there."""
    parts = row_parts(shown(), 1 << 20)
    assert {part.subject: part.rows for part in parts} == {
        "tailrace.workload.shop.cart": 1,
        "tailrace.workload._.curl": 1,
    }


def test_clients_without_a_name_share_a_subject() -> None:
    """There may be very many addresses."""
    batch = summed_workloads(50, columns={"client.process.comm": b""})
    assert {part.subject for part in row_parts(batch, 1 << 20)} == {"tailrace.workload._._"}


def test_messages_hold_every_row_once() -> None:
    """In the order of their numbers, none larger than it may be; their readers tell them from flows."""
    batch = summed_workloads(3000)
    parts = row_parts(batch, 1 << 20)
    assert sum(part.rows for part in parts) == 3000
    assert all(len(part.data) <= LARGEST for part in parts)
    assert len({part.id for part in parts}) == len(parts) == msgpack.unpackb(parts[0].data)["parts"]
    rows = [one.row for part in parts for one in decode_rows(part.data, "workload")]
    assert sorted(row["server.port"] for row in rows) == list(range(3000))
    with pytest.raises(BadRows, match="'workload' of version 1, this program reads flow of 1"):
        decode_rows(parts[0].data, "flow")
