"""Rows per second of processor time into Parquet files, beside rows as Python objects."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.parquet

from benchmarks.figure import Bar, Reading
from benchmarks.filter_rate import ROWS, flows
from benchmarks.join_rate import timed
from benchmarks.sink_rate import delivered
from model.batch import Batch
from model.kinds.flow import FLOW
from model.kinds.workload import OTHER, WORKLOAD, Workload
from sinks.parquet.sink import ParquetConfig, ParquetSink
from tailrace.testing import make_workloads

REPEATS: Final = 3


def by_row(batch: Batch) -> None:
    """The peer: dictionaries into a table, and that into a file."""
    with tempfile.TemporaryDirectory() as folder:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(batch.rows())), f"{folder}/rows.parquet")


def measure() -> Iterator[Reading]:
    """Of brief flows, whole flows, and workloads, in chunks as an engine makes them."""
    whole = flows()
    brief = replace(whole, kind=replace(FLOW, only=FLOW.brief))
    ends = [OTHER, *(Workload(f"service-{number}", "Deployment", "shop", "a") for number in range(400))]
    pairs = make_workloads(ROWS, ends=ends)
    summed = replace(pairs, kind=replace(WORKLOAD, only=WORKLOAD.brief))
    peer_rows = brief.take(slice(0, 5000))
    peer = len(peer_rows) / timed(lambda: by_row(peer_rows))
    for name, batch in (("brief workloads", summed), ("brief flows", brief), ("flows", whole)):
        with tempfile.TemporaryDirectory() as folder:
            sink = ParquetSink(ParquetConfig(folder))
            rate = delivered(sink, batch, REPEATS)
            files = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        fields = len(batch.to_arrow().schema)
        note = f"{name}: {fields} fields, {files / (REPEATS * ROWS):.0f} bytes a row"
        yield Reading(rate, "rows/s", Bar(at_least=7e5), "rows by row", peer, "more", note)
