"""What the sink ``store`` does with a folder of this machine."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from model.batch import Batch
from model.errors import SinkError, TailraceError
from store.config import StoreConfig
from store.segments.limits import Limits
from store.segments.writer import Writer

_REASONS: Final = {
    errno.ENOSPC: ("disk_full", "make room; writing goes on by itself"),
    errno.EDQUOT: ("disk_full", "raise the disk quota or make room; writing goes on by itself"),
    errno.EFBIG: ("disk_full", "a file has reached the size limit of this process: see ulimit -f"),
}


def kept_by(config: StoreConfig) -> Limits:
    """What is kept."""
    return Limits({1: config.keep_1s, 10: config.keep_10s, 60: config.keep_60s}, config.max_bytes)


class FolderSink:
    """What was flushed is in the log, on the disk. A batch that comes twice is left aside."""

    def __init__(self, config: StoreConfig) -> None:
        self._config = config
        self._writer: Writer | None = None
        self._rows = 0  # since the last flush

    async def open(self) -> None:
        """Open the folder, and cut off what was not written to its end.

        :raises SinkError: if it cannot be written to.
        """
        folder = Path(self._config.path)
        try:
            self._writer = Writer(folder, kept_by(self._config))
        except OSError as error:
            what = f"cannot write to {folder} ({error.strerror})"
            remedy = "choose a folder that this user may write to (path)"
            raise SinkError(what, remedy, reason="not_open") from error
        except TailraceError as error:
            raise SinkError(error.what, error.remedy, reason="not_open") from error

    async def check(self) -> str:
        """Say where; rights and room are looked at with other files'."""
        return f"writes to {self._config.path}: see disk"

    async def write(self, batch: Batch) -> None:
        """Take a batch."""
        if self._writer:
            self._writer.take(batch)
            self._rows += len(batch)

    async def flush(self) -> None:
        """Write what was taken to the log, and wait for the disk.

        :raises SinkError: if it cannot be written; it is lost then, and said as a gap.
        """
        rows, self._rows = self._rows, 0
        if self._writer is None:
            return
        try:
            self._writer.sync()
        except OSError as error:
            reason, remedy = _REASONS.get(error.errno or 0, ("write_failed", f"check {self._config.path}"))
            self._writer.lost(reason, rows)
            what = f"cannot write to {self._config.path} ({error.strerror})"
            raise SinkError(what, remedy, reason=reason, lost_rows=rows) from error

    async def close(self) -> None:
        """Let go; the next start seals what is in the log."""
        if self._writer:
            self._writer.close()
            self._writer = None

    @property
    def noted(self) -> Mapping[str, int]:
        """What the ledger's reader should know that is no loss on the way in."""
        if self._writer is None:
            return {}
        counts = self._writer.counts
        said = {
            "duplicates": self._writer.duplicates,
            "forgotten": counts.forgotten_rows,
            "seals_failed": counts.failures,
        }
        return {name: count for name, count in said.items() if count}
