"""Workload pairs as OTLP metrics: sums of one second each, and the exponential histograms as they are.

opentelemetry/proto/metrics/v1/metrics.proto; fields are named by their numbers there.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from model.batch import Batch
from model.histogram import SCALE, Histograms
from model.kinds.workload import FAILURES, PARTS, Workload
from model.rows.words import words_of
from model.transport import Transport
from model.varint import varint, zigzag
from sinks.otlp.wire import field, key_value

SECOND_NS: Final = 10**9
#: Aggregation temporality of all: what happened in the second.
DELTA: Final = b"\x01"
_sum_point: Final = struct.Struct("<cQcQcq").pack
_histogram_point: Final = struct.Struct("<cQcQcQcd").pack


class Sum(NamedTuple):
    """A metric, or a part of one that an attribute tells."""

    column: str
    name: str
    unit: str
    description: str
    attribute: tuple[str, str] | None = None


_FAILED: Final = ("tailrace.network.connections.failed", "{connection}", "Connects that failed.")
_IO: Final = (
    "tailrace.network.io",
    "By",
    "Payload between a client and a server: transmit is to the server.",
)
_HELD_UP: Final = (
    "tailrace.network.zero_windows",
    "{connection}",
    "Connections that were held up at a second's end because the other end reads nothing.",
)
SUMS: Final = (
    Sum("bytes", *_IO, ("network.io.direction", "transmit")),
    Sum("reply_bytes", *_IO, ("network.io.direction", "receive")),
    Sum(
        "retransmitted_segments",
        "tailrace.network.retransmits",
        "{segment}",
        "Segments that either end sent again.",
    ),
    Sum(
        "sent_segments",
        "tailrace.network.segments",
        "{segment}",
        "Segments that either end sent, also those sent again.",
    ),
    Sum("datagrams", "tailrace.network.datagrams", "{datagram}", "Datagrams of UDP that either end sent."),
    Sum(
        "datagrams.lost",
        "tailrace.network.datagrams.lost",
        "{datagram}",
        "Datagrams of UDP that did not come to the other end.",
    ),
    Sum(
        "datagrams.dropped",
        "tailrace.network.datagrams.dropped",
        "{datagram}",
        "Datagrams of UDP for which a receive buffer had no room.",
    ),
    Sum("zero_windows", *_HELD_UP, ("network.io.direction", "transmit")),
    Sum("reply_zero_windows", *_HELD_UP, ("network.io.direction", "receive")),
    Sum(
        "listener.overflows",
        "tailrace.network.listener.overflows",
        "{segment}",
        "Segments of handshakes that a full accept queue dropped.",
    ),
    Sum(
        "dropped_segments",
        "tailrace.network.dropped",
        "{packet}",
        "Packets of connections that a kernel dropped.",
    ),
    Sum(
        "connections.opened",
        "tailrace.network.connections.opened",
        "{connection}",
        "Connections that were opened.",
    ),
    Sum(
        "connections.closed",
        "tailrace.network.connections.closed",
        "{connection}",
        "Connections that were closed.",
    ),
    *(Sum(name, *_FAILED, ("error.type", name.rpartition(".")[2])) for name in FAILURES),
    Sum("connections.failed", *_FAILED, ("error.type", "_OTHER")),
)
HISTOGRAMS: Final = (
    ("rtt_ns", "tailrace.network.rtt", "Smoothed round-trip time of each connection and second."),
    ("connect_latency_ns", "tailrace.network.connect.duration", "Time to connect, or to fail."),
)


class Encoded(NamedTuple):
    """:param points: data points in it."""

    body: bytes
    points: int


def metrics_of(batch: Batch, resource: bytes, scope: bytes) -> Encoded:
    """A batch of workloads as ``ExportMetricsServiceRequest``."""
    begins = batch.window - batch.columns["window.late_s"].astype(np.int64)
    begins_ns = (begins * SECOND_NS).tolist()
    attributes, points = attributes_of(batch, 7), 0
    metrics: dict[str, list[bytes]] = {}
    heads: dict[str, bytes] = {}
    for each in SUMS:
        found = _sum_points(batch, each, attributes, begins_ns)
        heads[each.name] = head(each.name, each.description, each.unit)
        metrics.setdefault(each.name, []).extend(found)
        points += len(found)
    parts = [
        field(2, heads[name] + field(7, b"".join(found) + b"\x10" + DELTA + b"\x18\x01"))
        for name, found in metrics.items()
        if found
    ]
    attributes = attributes_of(batch, 1)
    for column, name, description in HISTOGRAMS:
        rows = np.flatnonzero(batch.columns[f"{column}.index"])
        found = histogram_points(batch, column, rows, attributes, begins_ns)
        points += len(found)
        if found:
            parts.append(
                field(2, head(name, description, "ns") + field(10, b"".join(found) + b"\x10" + DELTA))
            )
    body = field(1, resource + field(2, scope + b"".join(parts)))
    return Encoded(body, points)


def head(name: str, description: str, unit: str) -> bytes:
    return field(1, name.encode()) + field(2, description.encode()) + field(3, unit.encode())


def attributes_of(batch: Batch, number: int) -> list[bytes]:
    """Of each row those of a data point whose field for attributes has this number."""
    columns, workloads = batch.columns, batch.tables["workloads"]
    words = words_of(Transport)
    ports = {
        port: field(number, key_value("server.port", port)) for port in set(columns["server.port"].tolist())
    }
    codes = set(columns["network.transport"].tolist())
    named = {code: words.get(code, str(code)) for code in codes}
    transports = {code: field(number, key_value("network.transport", word)) for code, word in named.items()}
    client, server = (_of_workloads(workloads, side, number) for side in ("client", "server"))
    return [
        client[one] + server[other] + ports[port] + transports[transport]
        for one, other, port, transport in zip(
            columns["client.workload.index"].tolist(),
            columns["server.workload.index"].tolist(),
            columns["server.port"].tolist(),
            columns["network.transport"].tolist(),
            strict=True,
        )
    ]


def _of_workloads(workloads: Sequence[Workload], side: str, number: int) -> list[bytes]:
    """Of each workload of a table, without parts that are not known."""
    return [
        b"".join(
            field(number, key_value(f"{side}.{part}", text))
            for part, text in zip(PARTS, workload, strict=True)
            if text
        )
        for workload in workloads
    ]


def _sum_points(
    batch: Batch, each: Sum, attributes: Sequence[bytes], begins_ns: Sequence[int]
) -> list[bytes]:
    """A point for each row that has something to count, framed."""
    values = batch.columns[each.column]
    if each.column == "connections.failed":
        told = sum((batch.columns[name] for name in FAILURES), start=np.zeros(len(batch), np.uint64))
        values = np.subtract(values, np.minimum(told, values))
    rows = np.flatnonzero(values).tolist()
    more = field(7, key_value(*each.attribute)) if each.attribute else b""
    return [
        sum_point(attributes[row] + more, begins_ns[row], value)
        for row, value in zip(rows, values[rows].tolist(), strict=True)
    ]


def sum_point(attributes: bytes, begin_ns: int, value: int) -> bytes:
    """What was counted in a second, framed."""
    body = attributes + _sum_point(b"\x11", begin_ns, b"\x19", begin_ns + SECOND_NS, b"\x31", value)
    return b"\x0a" + varint(len(body)) + body


def histogram_points(
    batch: Batch,
    name: str,
    rows: np.ndarray,
    attributes: Sequence[bytes],
    begins_ns: Sequence[int],
    shift: int = 0,
    unit_ns: int = 1,
) -> list[bytes]:
    """A point for each of these rows, which have values, framed.

    :param attributes: of each row of the batch.
    :param shift: by how many buckets they go down, where the unit is not nanoseconds but ``unit_ns`` of them.
    """
    index = batch.columns[f"{name}.index"]
    table: Histograms = batch.tables["histograms"].take(np.concatenate(([0], index[rows])))
    counts = np.add.reduceat(table.counts, table.begins[1:-1]).tolist() if len(rows) else []
    offsets, buckets = _dense(table)
    sums = batch.columns[f"{name}.sum"][rows].tolist()
    scale = b"\x30" + zigzag(SCALE)
    points = []
    for row, count, total, offset, held in zip(rows.tolist(), counts, sums, offsets, buckets, strict=True):
        begin = begins_ns[row]
        positive = b"\x08" + zigzag(offset - shift) + b"\x12" + varint(len(held)) + held
        body = attributes[row]
        body += _histogram_point(
            b"\x11", begin, b"\x19", begin + SECOND_NS, b"\x21", count, b"\x29", total / unit_ns
        )
        body += scale + b"\x42" + varint(len(positive)) + positive
        points.append(b"\x0a" + varint(len(body)) + body)
    return points


def _dense(table: Histograms) -> tuple[list[int], list[bytes]]:
    """Of each histogram but the first its first bucket, and what it and all up to the last hold, as varints."""
    begins, ends = table.begins[1:-1], table.begins[2:]
    if not len(begins):
        return [], []
    first, last = table.buckets[begins], table.buckets[ends - 1]
    lengths = last - first + 1
    places = np.concatenate(([0], np.cumsum(lengths)))
    held = np.repeat(np.arange(len(begins)), ends - begins)
    dense = np.zeros(int(places[-1]), np.int64)
    dense[places[held] + table.buckets[int(begins[0]) :] - first[held]] = table.counts[int(begins[0]) :]
    spans = list(zip(places[:-1].tolist(), places[1:].tolist(), strict=True))
    if (dense < 128).all():
        raw = dense.astype(np.uint8).tobytes()
        return first.tolist(), [raw[begin:end] for begin, end in spans]
    numbers = [varint(number) for number in dense.tolist()]
    return first.tolist(), [b"".join(numbers[begin:end]) for begin, end in spans]
