"""The peer of the workloads: the same sums, flow by flow, in a dictionary for each pair."""

import math
from collections import Counter
from typing import Any, Final

from model.batch import Batch
from model.histogram import SCALE
from model.kinds.flow import FlowEvidence

_USED: Final = (
    *("client.entity.index", "server.entity.index", "server.port", "evidence", "client.reported"),
    *("client.tx_bytes", "client.rx_bytes", "server.tx_bytes", "server.rx_bytes"),
    *("client.retransmitted_segments", "server.retransmitted_segments", "client.rtt_ns", "server.rtt_ns"),
    *("connection.opened", "connection.closed", "connection.failed", "connection.connect_latency_ns"),
)
Key = tuple[int, int, int]


def pair_sums(batch: Batch) -> dict[Key, Counter[Any]]:
    """By client, server and port: the sums under the names of the schema, the buckets under (measure, bucket)."""
    pairs: dict[Key, Counter[Any]] = {}
    lists = [batch.columns[name].tolist() for name in _USED]
    for values in zip(*lists, strict=True):
        row = dict(zip(_USED, values, strict=True))
        key = (row["client.entity.index"], row["server.entity.index"], row["server.port"])
        _add(pairs.setdefault(key, Counter()), row)
    return pairs


def _add(sums: Counter[Any], row: dict[str, int]) -> None:
    mirrored = not row["client.reported"] and row["evidence"] != FlowEvidence.BOTH
    sums["bytes"] += row["server.rx_bytes"] if mirrored else row["client.tx_bytes"]
    sums["reply_bytes"] += row["server.tx_bytes"] if mirrored else row["client.rx_bytes"]
    for side in ("client", "server"):
        sums["retransmitted_segments"] += row[f"{side}.retransmitted_segments"]
    for life in ("opened", "closed", "failed"):
        sums[f"connections.{life}"] += row[f"connection.{life}"]
    sums["connections.active"] += not row["connection.failed"]
    sums["evidence", row["evidence"]] += 1
    if rtt := row["client.rtt_ns"] or row["server.rtt_ns"]:
        sums["rtt_ns", _bucket(rtt)] += 1
    if (
        latency := (row["connection.opened"] or row["connection.failed"])
        and row["connection.connect_latency_ns"]
    ):
        sums["connect_latency_ns", _bucket(latency)] += 1


def _bucket(value: int) -> int:
    return math.ceil(math.log2(value) * (1 << SCALE)) - 1
