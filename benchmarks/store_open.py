"""Seconds until a store is open again whose writer was killed, with logs as long as they get."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.children import alone
from benchmarks.figure import Bar, Reading
from benchmarks.store_rows import PairSeconds
from store.segments.log import logs
from store.segments.manifest import read
from store.segments.reader import SegmentStore
from store.segments.writer import Writer

#: A log of a minute, and one that is full before its minute is over.
SECONDS: Final = 60
PAIRS: Final = (2_000, 40_000)


def write_and_be_killed(folder: str, pairs: str) -> None:
    """Write a minute to the log; the end is ``kill -9``."""
    writer = Writer(Path(folder))
    for batch in PairSeconds(int(pairs), workloads=3000).batches(SECONDS):
        writer.take(batch)
        writer.sync()
    os.kill(os.getpid(), signal.SIGKILL)


def opened(folder: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """Seconds until the writer takes rows again, and until a reader has its first answer; in a fresh process.

    :return: of each by the clock, and of the processor without what seals meanwhile.
    """
    begin = np.array((time.perf_counter(), time.thread_time()))
    writer = Writer(folder)
    open_ = np.array((time.perf_counter(), time.thread_time()))
    store = SegmentStore(folder)
    store.bounds()
    answered = np.array((time.perf_counter(), time.thread_time()))
    store.close()
    writer.close()
    writing, reading = (open_ - begin).tolist(), (answered - open_).tolist()
    return (writing[0], writing[1]), (reading[0], reading[1])


def measure() -> Iterator[Reading]:
    """For both lengths of logs."""
    for pairs in PAIRS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            subprocess.run([sys.executable, "-m", "benchmarks.store_open", name, str(pairs)], check=False)
            unsealed = logs(folder, read(folder).part)
            size = sum(path.stat().st_size for _, path in unsealed)
            writing, reading = alone(opened, folder)
            note = f"{len(unsealed)} logs of {size / 1e6:.0f} MB, {pairs:,} rows a second"
            told = "to write, after kill -9", "to read, while they are sealed"
            for what, (seconds, used) in zip(told, (writing, reading), strict=True):
                said = f"{what}: {note}; {used:.2f} s of processor time"
                yield Reading(seconds, "s", Bar(at_most=3), note=said)


if __name__ == "__main__":
    write_and_be_killed(sys.argv[1], sys.argv[2])
