"""The sinks that the contract suite holds to the contract; a new one joins with a line in ``CASES``."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.batch import Batch
from model.message import decode
from model.row_stage import ROW_STAGES, RowStage
from model.sink import Sink
from sinks.console.sink import ConsoleConfig, ConsoleSink
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from tests.batches import make_batch
from tests.contract.sinks.nats_case import make_nats, read_nats
from tests.flows import make_flows
from tests.workloads import make_workloads

#: What a reader of the output counts; keys: rows, opened, closed, failed.
Totals = Counter[str]


@dataclass(frozen=True)
class SinkCase:
    """A sink under its plugin name.

    :param make: a sink that writes to a path; what it needs for that is let go with the stack.
    :param read: the totals that its output at the path shows.
    :param stages: of the rows that it takes.
    """

    name: str
    make: Callable[[Path, ExitStack], Sink]
    read: Callable[[Path], Totals]
    stages: Sequence[RowStage] = ROW_STAGES


@dataclass(frozen=True)
class Rows:
    """One kind of batch.

    :param make: so many rows, as ``tests.batches.make_batch`` makes them.
    :param chunks: a batch as it comes, in pieces of so many rows.
    :param comms: the columns that it is made from with names of processes.
    :param addresses: how often an address of each row is written as JSON; as text at least once.
    """

    stage: RowStage
    make: Callable[..., Batch]
    chunks: Callable[[Batch, int], list[Batch]]
    comms: tuple[str, ...]
    addresses: int = 1


def _delta_chunks(batch: Batch, rows: int) -> list[Batch]:
    """What crossed the wire."""
    assert isinstance(batch, Batch)
    return [decode(chunk.encode()) for chunk in batch.chunked(rows)]


def _flow_chunks(batch: Batch, rows: int) -> list[Batch]:
    assert isinstance(batch, Batch)
    return list(batch.chunked(rows))


def _workload_chunks(batch: Batch, rows: int) -> list[Batch]:
    assert isinstance(batch, Batch)
    return list(batch.chunked(rows))


_COMMS: Final = ("client.process.comm", "server.process.comm")
#: Of the address of a socket's peer, deltas have the resolved one beside it.
DELTAS: Final = Rows("deltas", make_batch, _delta_chunks, ("process.comm",), 2)
FLOWS: Final = Rows("flows", make_flows, _flow_chunks, _COMMS)
WORKLOADS: Final = Rows("workloads", make_workloads, _workload_chunks, _COMMS)
KINDS: Final = (FLOWS, DELTAS, WORKLOADS)
LIVES: Final = ("opened", "closed", "failed")


def count_row(totals: Totals, row: Mapping[str, int]) -> None:
    """Adds what a row as JSON lines have it says of connections."""
    totals["rows"] += 1
    for life in LIVES:
        totals[life] += row.get(f"connection.{life}", 0) + row.get(f"connections.{life}", 0)


def _make_jsonl(path: Path, _: ExitStack) -> Sink:
    return JsonlSink(JsonlConfig(str(path)))


def _read_jsonl(path: Path) -> Totals:
    totals = Totals()
    for line in map(json.loads, path.read_text().splitlines()):
        if line["kind"] != "ledger":
            count_row(totals, line)
    return totals


def _make_console(path: Path, stack: ExitStack) -> Sink:
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stack.callback(os.close, output)
    return ConsoleSink(ConsoleConfig(), output)


def _read_console(path: Path) -> Totals:
    totals = Totals()
    for line in path.read_text().splitlines():
        if " summary " in line:
            found = re.findall(r"(rows|opened|closed|failed)=(\d+)", line)
            totals.update({name: int(number) for name, number in found})
    return totals


def _read_nats(path: Path) -> Totals:
    totals = Totals()
    for row in read_nats(path):
        count_row(totals, row)
    return totals


CASES: Final = (
    SinkCase("jsonl", _make_jsonl, _read_jsonl),
    SinkCase("console", _make_console, _read_console),
    SinkCase("nats", make_nats, _read_nats, ("flows", "workloads")),
)
