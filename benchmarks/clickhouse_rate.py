"""Rows per second of processor time into ClickHouse: blocks of columns, beside JSON lines; nobody looks at them."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figure import Bar, Reading
from benchmarks.filter_rate import flows
from benchmarks.join_rate import timed
from model.batch import Batch
from model.kinds.flow import FLOW
from model.kinds.workload import OTHER, WORKLOAD, Workload
from sinks.clickhouse.native import block, native_columns
from sinks.joined import joined
from tailrace.testing import make_workloads

REPEATS = 5


def blocks(batch: Batch) -> int:
    """What an insert of its chunks is, in bytes."""
    columns = native_columns(batch.kind)
    return sum(len(block(columns, rows)) for rows in joined(list(batch.chunked())))


def lines(batch: Batch) -> int:
    """The peer: JSONEachRow."""
    return sum(len(text) for _, text in batch.json_lines())


def measure() -> Iterator[Reading]:
    """Of brief flows, whole flows and workloads, in chunks as an engine makes them."""
    whole = flows()
    ends = [OTHER, *(Workload(f"service-{number}", "Deployment", "shop", "a") for number in range(400))]
    pairs = make_workloads(len(whole), ends=ends)
    for name, batch in (
        ("brief workloads", replace(pairs, kind=replace(WORKLOAD, only=WORKLOAD.brief))),
        ("brief flows", replace(whole, kind=replace(FLOW, only=FLOW.brief))),
        ("flows", whole),
    ):
        rate = len(batch) / min(timed(lambda: blocks(batch)) for _ in range(REPEATS))  # noqa: B023 - called at once
        peer = len(batch) / min(timed(lambda: lines(batch)) for _ in range(2))  # noqa: B023 - called at once
        note = (
            f"{name}: {len(native_columns(batch.kind))} columns, {blocks(batch) / len(batch):.0f} bytes a row"
        )
        yield Reading(rate, "rows/s", Bar(at_least=5e5), "JSON lines", peer, "more", note)
