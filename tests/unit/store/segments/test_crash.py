"""However a program ends that writes to a store: what was acknowledged is there, and nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from store.measures import SUMS
from store.reading import Window
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from tests.unit.store.segments.crashing_writer import APART_S, asked, made
from tests.unit.store.segments.made import BEGIN

#: Times that the writer is killed; ``SOAK=1`` for the long form.
ROUNDS: Final = 50 if os.environ.get("SOAK") else 8


def killed(folder: Path, first: int, pause: float) -> tuple[list[int], float]:
    """Start a writer at this number, and kill it after ``pause`` seconds of writing.

    :return: what it acknowledged, and the seconds until it was open, its start included.
    """
    command = [sys.executable, "-m", "tests.unit.store.segments.crashing_writer", str(folder)]
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        opened = time.monotonic() - begin
        writer.stdin.write(f"{first}\n")
        writer.stdin.flush()
        acknowledged = [int(writer.stdout.readline())]
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    return acknowledged, opened


def test_nothing_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    """What was not acknowledged comes again, as a source sends it again; each second is there once."""
    folder, chance, first = tmp_path / "store", random.Random(3), 0
    for _ in range(ROUNDS):
        acknowledged, _ = killed(folder, first, chance.uniform(0, 1.5))
        assert acknowledged[0] == first
        first = acknowledged[-1] + 1  # it may be there already: not acknowledged is not lost
    writer = Writer(folder)
    writer.take(made(first))
    writer.take(asked(first))
    writer.sync()
    writer.rotate()
    writer.drained()
    store = SegmentStore(folder)
    window = Window(BEGIN, BEGIN + APART_S * first + 60)
    answer, endpoints = store.edges(window), store.endpoints(window)
    requests = sum(number + 1 for number in range(first + 1))
    assert endpoints.measures["requests"].tolist() == 9 * [requests]
    assert sorted(endpoints.parts["status"].tolist()) == [200 + place for place in range(9)]
    for name in SUMS:
        truth = sum(int(made(number).columns[name].sum()) for number in range(first + 1))
        assert int(answer.measures[name].sum()) == truth, name
    last = np.max(answer.measures["last_s"])
    assert last == BEGIN + APART_S * first
    writer.close()
    store.close()
