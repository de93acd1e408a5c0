"""Readers while a writer writes, seals, merges and forgets: an answer is always that of a moment."""

import threading
from pathlib import Path

from store.reading import Window
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.unit.store.segments.made import BEGIN, second

SECONDS = 150


def test_no_answer_misses_or_doubles_what_was_there(tmp_path: Path) -> None:
    """Each second brings one byte: an answer is never less than one before it, nor more than was written."""
    writer, store, ended = Writer(tmp_path), SegmentStore(tmp_path), threading.Event()
    written = [0]

    def write() -> None:
        for at in range(SECONDS):
            written[0] = at + 1
            writer.take(second(BEGIN + 30 * at, [{"client": 1, "server": 2, "port": 1, "bytes": 1}], at))
            writer.sync()
        writer.drained()
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    answers = [0]
    while not ended.is_set():
        found = int(store.edges(Window(BEGIN, BEGIN + 30 * SECONDS)).measures["bytes"].sum())
        assert answers[-1] <= found <= written[0]
        answers.append(found)
    thread.join()
    assert int(store.edges(Window(BEGIN, BEGIN + 30 * SECONDS)).measures["bytes"].sum()) == SECONDS
    assert len(set(answers)) > 2
    store.close()
    writer.close()
