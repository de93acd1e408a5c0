"""Engines killed under load: is every row there, is any there twice, and for how long did nothing come."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.bus import nats
from benchmarks.children import Child, running
from benchmarks.figure import Bar, Reading
from benchmarks.paced_source import FIRST_WINDOW, PacedSource
from benchmarks.roles import up
from benchmarks.watchers import program
from engine.agent import Agent
from engine.config import Config

KILLS: Final = 20
LEASE_SECONDS: Final = 1.5
PARTITIONS: Final = 4
SOCKETS: Final = 400
#: Between windows: a hurried second.
TICK_SECONDS: Final = 0.1
#: Between kills; engines start, join and take over meanwhile.
LIFE_SECONDS: Final = 3.0
#: For what is left after the last kill.
LAST_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.01


class Line(msgspec.Struct):
    """What is read of a line."""

    kind: str
    node: str = ""
    boot: str = ""
    seq: int = 0
    window: int = 0
    slot: int = msgspec.field(name="socket.slot", default=0)
    generation: int = msgspec.field(name="socket.generation", default=0)


_decoder: Final = msgspec.json.Decoder(Line)
Name = tuple[str, str, int, int, int]


@dataclass
class Arrivals:
    """Rows as they appear in the files of the engines.

    :param rows: windows of rows by what names a row, each once.
    :param again: rows that appeared once more under the same name: messages delivered again.
    :param gap: seconds without a row in any file, at most.
    :param late: seconds from a window's end until its last row, at most.
    """

    files: list[Path]
    sent: dict[int, float] = field(default_factory=dict)
    rows: dict[Name, int] = field(default_factory=dict)
    again: int = 0
    gap: float = 0.0
    late: float = 0.0
    _last: float = 0.0
    _read: Counter[Path] = field(default_factory=Counter)

    def look(self) -> None:
        """Reads the whole lines that are new."""
        now = time.monotonic()
        lines = [line for file in self.files for line in self._new_lines(file)]
        arrived = [line for line in lines if line.kind == "delta"]
        for line in arrived:
            name = (line.node, line.boot, line.seq, line.slot, line.generation)
            self.again += name in self.rows
            if name not in self.rows:
                self.rows[name] = line.window
                self.late = max(self.late, now - self.sent[line.window])
        if arrived:
            self.gap = max(self.gap, now - self._last if self._last else 0.0)
            self._last = now

    def _new_lines(self, path: Path) -> list[Line]:
        try:
            with path.open("rb") as file:
                file.seek(self._read[path])
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._read[path] += len(whole)
        return _decoder.decode_lines(whole)

    @property
    def missing(self) -> int:
        """Rows sent that are in no file."""
        return len(self.sent) * SOCKETS - len(self._counts())

    @property
    def double(self) -> int:
        """Rows that are there under more than one name."""
        return sum(count - 1 for count in self._counts().values())

    def _counts(self) -> Counter[tuple[int, int]]:
        return Counter((window, name[3]) for name, window in self.rows.items())


class Load:
    """An agent that sends a window every ``TICK_SECONDS``, and looks for rows in between."""

    def __init__(self, source: PacedSource, arrivals: Arrivals) -> None:
        self._source = source
        self._arrivals = arrivals

    async def keep_up(self, seconds: float) -> None:
        """Goes on for so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            frame = self._source.frame()
            self._arrivals.sent[self._source.window] = now
            self._source.end_second(frame)
            await self.look(TICK_SECONDS)

    async def look(self, seconds: float) -> None:
        """Looks for rows for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            self._arrivals.look()

    async def settle(self) -> None:
        """Waits for what is missing."""
        end = time.monotonic() + LAST_SECONDS
        while self._arrivals.missing and time.monotonic() < end:
            await self.look(_LOOK_SECONDS)


def _engine(stack: contextlib.ExitStack, url: str, out: Path) -> Child:
    command = [program(), "engine", "--nats", url, "--sink", f"jsonl:{out}"]
    quiet = {"TAILRACE_LOG_LEVEL": "error"}
    return stack.enter_context(running(command, ready=lambda _: True, environment=quiet))


async def _kill_engines(url: str, folder: Path) -> Arrivals:
    arrivals = Arrivals([folder / f"{number}.jsonl" for number in range(2 + KILLS)])
    source = PacedSource(SOCKETS)
    load = Load(source, arrivals)
    with contextlib.ExitStack() as stack:
        engines = [_engine(stack, url, file) for file in arrivals.files[:2]]
        async with up(Agent(Config(), url, source)):
            for number in range(KILLS):
                await load.keep_up(LIFE_SECONDS)
                engines[number].kill()
                engines.append(_engine(stack, url, arrivals.files[2 + number]))
            await load.keep_up(LIFE_SECONDS)
            await load.settle()
    return arrivals


def measure() -> Iterator[Reading]:
    """Rows missing, rows double, and the longest time without a row."""
    with nats() as server, TemporaryDirectory(prefix="tailrace-bench-") as folder:
        url = f"{server}?partitions={PARTITIONS}&lease_seconds={LEASE_SECONDS}"
        found = asyncio.run(_kill_engines(url, Path(folder)))
    sent = len(found.sent) * SOCKETS
    assert found.sent.keys() == set(range(FIRST_WINDOW, FIRST_WINDOW + len(found.sent)))
    note = f"{KILLS} kills, 2 engines, {sent:,} rows; {found.again:,} came again under their name"
    yield Reading(found.missing, "rows missing", Bar(at_most=0), note=note)
    yield Reading(found.double, "rows double", Bar(at_most=0), note=note)
    late = f"a row came {found.late:.2f} s after its window at most; lease {LEASE_SECONDS:g} s"
    yield Reading(found.gap, "s", Bar(at_most=2 * LEASE_SECONDS), note=late)
