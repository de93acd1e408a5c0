"""The console sink: a live table on a terminal, plain lines elsewhere; one frame for each second."""

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, ClassVar, Final, TypeVar

import msgspec

from model.batch import Batch
from model.daemon_thread import DaemonThread
from model.errors import SinkError
from model.kind import Kind
from model.kinds.ledger import LEDGER
from model.settings import PluginConfig
from model.standard_output import moves_cursor
from sinks.console.plain import plain_lines
from sinks.console.summary import Sort, WindowSummary, publication
from sinks.descriptor import is_writable, write_all, write_error

#: Nodes whose second may be incomplete at the same time.
_NODES: Final = 256

Key = TypeVar("Key")
Value = TypeVar("Value")

_CLEAR: Final = "\x1b[H\x1b[2J"
_TARGET: Final = "standard output"


class ConsoleConfig(PluginConfig, frozen=True):
    """What is shown; ``--sink console:ROWS`` sets the number of lines.

    :param rows: connections, or pairs of workloads, shown: the top of the second; fewer if the terminal is lower.
    :param sort: what makes one a top one; with ``bytes`` endpoints and requests come by how many they are.
    """

    rows: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    sort: Sort = "bytes"


class ConsoleSink:
    """Shows the top connections of each second: a live table on a terminal, plain lines elsewhere.

    :param output: the file descriptor written to, by default standard output; it is not closed.
    :param wait_seconds: that a write waits for a slow terminal; while that draws, frames are skipped.
    """

    Config: ClassVar[type[PluginConfig]] = ConsoleConfig
    ledgers: ClassVar[bool] = True

    def __init__(self, config: ConsoleConfig, output: int = 1, wait_seconds: float = 0.5) -> None:
        self.skipped_frames = 0
        self._config = config
        self._output = output
        self._wait_seconds = wait_seconds
        self._writer = DaemonThread("sink.console")
        self._summaries: dict[tuple[str, str], WindowSummary] = {}  # by node and kind
        self._ledgers: dict[str, Batch] = {}  # the newest of each node
        self._live = False
        self._drawing: asyncio.Future[None] | None = None
        self._size = os.terminal_size((0, 0))
        self._height = 0

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Find out whether the output is a terminal.

        :raises SinkError: if there is no standard output.
        """
        if not is_writable(self._output):
            raise SinkError("standard output is closed", "choose another sink", reason="not_open")
        self._live = self._can_redraw()
        if self._live:
            await self._writer.submit(_load)

    def _can_redraw(self) -> bool:
        """Whether the output is a terminal that moves its cursor and has a size; others get plain lines."""
        return moves_cursor(self._output) and os.get_terminal_size(self._output).columns > 0

    async def write(self, batch: Batch) -> None:
        """Sum ``batch`` up; with the last chunk of a second, show it.

        :raises SinkError: if the output is gone or full.
        """
        if batch.kind is LEDGER:
            _keep(self._ledgers, batch.node, batch)
            return
        for summary in self._collect(batch):
            await self._show(summary)

    async def flush(self) -> None:
        """Nothing is kept back but a second that is not complete."""

    async def close(self) -> None:
        """Let a frame under way finish; leaves the cursor below the table."""
        await self._writer.close()

    def _collect(self, batch: Batch) -> list[WindowSummary]:
        """The seconds that ``batch`` completes: its own, and an earlier one of which chunks were lost."""
        ready, key = [], (batch.node, batch.kind.name)
        summary = self._summaries.pop(key, None)
        if summary and summary.publication != publication(batch):
            ready.append(summary)
            summary = None
        config, ledger = self._config, self._ledgers.get(batch.node)
        summary = summary or WindowSummary(batch, config.rows, config.sort, ledger)
        summary.add(batch)
        if batch.last:
            ready.append(summary)
        elif given_up := _keep(self._summaries, key, summary):
            ready.append(given_up)
        return ready

    async def _show(self, summary: WindowSummary) -> None:
        """On a terminal waits for a while at most; a pipe may hold up the sink's queue."""
        if not self._live:
            await self._writer.submit(partial(self._put, lambda: plain_lines(summary)))
            return
        if self._drawing and not self._drawing.done():
            self.skipped_frames += 1
            return
        before, self._drawing = self._drawing, None
        if before:
            before.result()
        self._drawing = self._writer.submit(partial(self._put, partial(self._frame, summary)))
        await asyncio.wait({self._drawing}, timeout=self._wait_seconds)
        if self._drawing.done():
            drawn, self._drawing = self._drawing, None
            drawn.result()

    def _put(self, text: Callable[[], str]) -> None:
        """Make the text and write it; in the thread."""
        _, error = write_all(self._output, text().encode(errors="replace"))
        if error:
            raise write_error(error, _TARGET) from error

    def _terminal_size(self) -> os.terminal_size:
        """As it is now; one that has hung up has none, and the write says so."""
        try:
            return os.get_terminal_size(self._output)
        except OSError:
            return self._size

    def _frame(self, summary: WindowSummary) -> str:
        """The frame, with what puts it in the place of the one before."""
        from sinks.console.table import render  # rich is loaded only where there is a terminal

        size = self._terminal_size()
        lines = render(
            summary, max(size.columns, 20), max(size.lines, 4) - 1, color=not os.environ.get("NO_COLOR")
        )
        above = _CLEAR if size != self._size else f"\x1b[{self._height}A\r"
        self._size, self._height = size, lines.count("\n")
        return above + lines.replace("\n", "\x1b[K\n") + "\x1b[J"


def _keep(kept: dict[Key, Value], key: Key, value: Value) -> Value | None:
    """Puts a value last; returns the first one if there are more than of ``_NODES`` nodes."""
    kept.pop(key, None)
    kept[key] = value
    return kept.pop(next(iter(kept))) if len(kept) > _NODES else None


def _load() -> None:
    """Load rich ahead of the first frame."""
    import sinks.console.table  # noqa: F401 - loading it is all that is wanted
