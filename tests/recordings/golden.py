"""What replaying a recording gives, as text: ``python -m tests.recordings.golden`` writes it anew."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from engine import graphs
from engine.config import Config
from engine.recording.file import Recording
from engine.recording.replay import MAX, ReplaySource
from model.batch import Batch
from model.kind import Kind
from model.kinds.delta import CloseReason, Role
from model.settings import PluginConfig
from model.sink import Sink
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from tests.configured import configured
from tests.declared import EVENT_TYPES
from tests.plain_rows import plain_rows
from tests.recordings.make import HERE, KINDS

#: Columns added up for each socket.
SUMS: Final = (
    "connection.opened",
    "connection.closed",
    "connection.failed",
    "tx_bytes",
    "rx_bytes",
    "tx_segments",
    "rx_segments",
)


class KeepingSink:
    """Keeps every batch."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig  # takes no settings

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to get ready."""

    async def write(self, batch: Batch) -> None:
        """Keeps the batch."""
        assert isinstance(batch, Batch)  # the stage that was asked for
        self.batches.append(batch)

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """Nothing to let go of."""


async def replayed(path: Path, lines: Path, speed: float = MAX) -> list[Batch]:
    """The batches that a recording gives; the same as JSON lines go to ``lines``."""
    kept = KeepingSink()
    sinks: dict[str, Sink] = {"kept": kept, "jsonl": JsonlSink(JsonlConfig(str(lines)))}
    await graphs.replay(
        Config(), configured(sinks, "deltas"), ReplaySource(Recording(path, EVENT_TYPES), speed)
    ).run()
    return kept.batches


def golden(batches: list[Batch], lines: bytes) -> str:
    """Digests of every byte, and what a reader can check by eye."""
    messages = hashlib.sha256(b"".join(batch.encode() for batch in batches)).hexdigest()
    rows = sum(map(len, batches))
    head = [
        f"node {batches[0].node}, boot {batches[0].boot}",
        f"{len(batches)} messages with {rows} rows, sha256 {messages}",
        f"JSON lines, sha256 {hashlib.sha256(lines).hexdigest()}",
        f"slot/generation cgroup role local peer close_reason {' '.join(SUMS)}",
    ]
    return "\n".join([*head, *socket_lines(batches)]) + "\n"


def socket_lines(batches: Iterable[Batch]) -> list[str]:
    """One line for each socket: who it is, and its sums."""
    sockets: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for batch in batches:
        for row in plain_rows(batch):
            sockets.setdefault((row["socket.slot"], row["socket.generation"]), []).append(row)
    return [_line(key, rows) for key, rows in sockets.items()]


def _line(key: tuple[int, int], rows: list[dict[str, Any]]) -> str:
    last = rows[-1]
    names = [last["cgroup.path"], Role(last["connection.role"]).name]
    names += [
        f"[{last[f'network.{end}.address']}]:{last[f'network.{end}.port']}" for end in ("local", "peer")
    ]
    sums = [str(sum(row[name] for row in rows)) for name in SUMS]
    return " ".join([f"{key[0]}/{key[1]}", *names, CloseReason(last["connection.close_reason"]).name, *sums])


async def main() -> None:
    """Writes all of them anew."""
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            lines = Path(folder) / "lines"
            batches = await replayed(HERE / f"{kind}.tlr", lines)
            (HERE / f"{kind}.golden").write_text(golden(batches, lines.read_bytes()))


if __name__ == "__main__":
    import asyncio

    asyncio.run(main())
