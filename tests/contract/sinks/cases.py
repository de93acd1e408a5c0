"""The sinks that the contract suite holds to the contract; a new one joins with a line in ``CASES``."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.sink import Sink
from sinks.console import ConsoleConfig, ConsoleSink
from sinks.jsonl import JsonlConfig, JsonlSink
from tests.contract.sinks.nats_case import make_nats, read_nats

#: What a reader of the output counts; keys: rows, opened, closed, failed.
Totals = Counter[str]


@dataclass(frozen=True)
class SinkCase:
    """A sink under its plugin name.

    :param make: a sink that writes to a path; what it needs for that is let go with the stack.
    :param read: the totals that its output at the path shows.
    """

    name: str
    make: Callable[[Path, ExitStack], Sink]
    read: Callable[[Path], Totals]


def _make_jsonl(path: Path, _: ExitStack) -> Sink:
    return JsonlSink(JsonlConfig(str(path)))


def _read_jsonl(path: Path) -> Totals:
    totals = Totals()
    for line in map(json.loads, path.read_text().splitlines()):
        if line["kind"] == "delta":
            totals["rows"] += 1
            for life in ("opened", "closed", "failed"):
                totals[life] += line.get(f"connection.{life}", False)
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


CASES: Final = (
    SinkCase("jsonl", _make_jsonl, _read_jsonl),
    SinkCase("console", _make_console, _read_console),
    SinkCase("nats", make_nats, read_nats),
)
