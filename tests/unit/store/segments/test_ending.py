"""A program that ends while its store seals a log ends as it would without, and loses nothing."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from benchmarks.store_rows import BEGIN, PairSeconds
from model.batch import Batch
from store.measures import SUMS
from store.reading import Window
from store.segments.manifest import UNFINISHED, read
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.eventually import eventually

#: Rows enough that writing the first file of the log takes longer than to end.
SECONDS: Final = 40
PAIRS: Final = 10_000


def a_full_log(folder: Path) -> list[Batch]:
    """A store of which nothing is sealed, and what is in it."""
    batches = list(PairSeconds(PAIRS).batches(SECONDS))
    writer = Writer(folder, log_s=SECONDS * 1000)
    for batch in batches:
        writer.take(batch)
    writer.sync()
    writer.close()
    return batches


def ended_in_a_seal(folder: Path, how: str) -> tuple[int, str]:
    """The exit code of a program that is told to end when it began to write a file, and what it said."""
    command = [sys.executable, "-m", "tests.unit.store.segments.ended_writer", str(folder), how]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        asyncio.run(eventually(lambda: any((folder / "1s").glob(f".*{UNFINISHED}"))))
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate()
    return program.returncode, said


@pytest.mark.parametrize("how", ["close", "exit"])
def test_a_seal_that_is_interrupted_is_done_at_the_next_start(tmp_path: Path, how: str) -> None:
    """Whether the program closes the store or not: DuckDB is never left inside when Python ends."""
    batches = a_full_log(tmp_path)
    assert ended_in_a_seal(tmp_path, how) == (0, "")
    assert read(tmp_path).part == 0, "it was sealed before the program ended"
    writer = Writer(tmp_path)
    writer.drained()
    assert read(tmp_path).part == 1
    assert not [*tmp_path.glob(f"*/.*{UNFINISHED}")]
    store = SegmentStore(tmp_path)
    measures = store.edges(Window(BEGIN, BEGIN + SECONDS), histograms=False).measures
    for name in SUMS:
        assert int(measures[name].sum()) == sum(int(batch.columns[name].sum()) for batch in batches), name
    store.close()
    writer.close()
