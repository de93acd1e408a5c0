"""Microseconds of processor time for a row as a JSON line, by the sink jsonl, beside rows written one by one."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.figure import NO_BAR, Bar, Reading
from benchmarks.filter_rate import flows
from benchmarks.join_rate import timed
from benchmarks.web_rows import web_deltas, web_flows
from engine.commands.process import give_memory_back
from model.batch import Batch
from sinks.jsonl.sink import JsonlConfig, JsonlSink

CONNECTIONS: Final = 10_000
REPEATS: Final = 20


def written(chunks: Sequence[Batch]) -> float:
    """The best of some times, of the sink with its calls; nobody keeps the lines."""

    async def run() -> float:
        sink = JsonlSink(JsonlConfig("/dev/null", rotate_bytes=0))
        await sink.open([chunks[0].kind])
        best = float("inf")
        for _ in range(REPEATS):
            begin = time.process_time()
            for chunk in chunks:
                await sink.write(chunk)
            best = min(best, time.process_time() - begin)
        await sink.close()
        return best

    return asyncio.run(run())


def one_by_one(chunks: Sequence[Batch]) -> int:
    """The peer: a struct for each row."""
    return sum(len(text) for chunk in chunks for _, text in chunk.kind.rows.plain_lines(chunk))


def brief(chunks: Sequence[Batch]) -> list[Batch]:
    """With the fields that tell most."""
    kind = replace(chunks[0].kind, only=chunks[0].kind.brief)
    return [replace(chunk, kind=kind) for chunk in chunks]


def measure() -> Iterator[Reading]:
    """Of a web load, where values repeat, and of flows that have little in common."""
    give_memory_back()  # as ``tailrace run`` does: it decides what large texts cost
    deltas = list(web_deltas(CONNECTIONS).chunked())
    (joined,) = web_flows(CONNECTIONS, 1)
    mixed = list(flows().chunked())
    bar = Bar(at_most=0.6)
    for name, chunks, wanted in (
        ("deltas of a web load", deltas, bar),
        ("brief deltas of a web load", brief(deltas), bar),
        ("flows of a web load", joined, NO_BAR),
        ("brief flows of a web load", brief(joined), bar),
        ("flows of anything", mixed, NO_BAR),
        ("brief flows of anything", brief(mixed), NO_BAR),
    ):
        rows = sum(map(len, chunks))
        peer = min(timed(lambda: one_by_one(chunks)) for _ in range(3))  # noqa: B023 - called at once
        note = f"{name}: {one_by_one(chunks) / rows:,.0f} bytes a row"
        seconds = written(chunks)
        yield Reading(seconds / rows * 1e6, "µs", wanted, "row by row", peer / rows * 1e6, "less", note)
