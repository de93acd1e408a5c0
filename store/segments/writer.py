"""The writing side of a store: batches in, frames in a log, and logs that become files."""

import contextlib
import uuid
from pathlib import Path
from typing import Final

from model.batch import Batch
from store.segments.frames import encoded
from store.segments.intake import Intake
from store.segments.limits import Limits
from store.segments.lock import WriterLock
from store.segments.log import FOLDER, Log, logs, recovered
from store.segments.manifest import left_over, read, remove
from store.segments.sealer import Sealer, SealerCounts

#: Seconds and bytes after which a log is sealed.
LOG_S: Final = 60
LOG_BYTES: Final = 64 << 20


class Writer:
    """Opens a folder, and makes it if need be. One at a time.

    :raises TailraceError: if another process writes to it, or it is of a newer version.
    :raises OSError: if it cannot be read or written to.
    """

    def __init__(self, folder: Path, limits: Limits | None = None, log_s: int = LOG_S) -> None:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._log_s = log_s
        self._lock = WriterLock(folder)
        manifest = read(folder)
        remove(folder, left_over(folder, manifest))
        marks, newest, complete = recovered(folder, manifest)
        self._intake = Intake(str(uuid.uuid4()), marks, newest, complete)
        self._sealer = Sealer(folder, manifest, limits or Limits())
        waiting = [part for part, _ in logs(folder, manifest.part)]
        self._log = Log(folder, max([manifest.part, *waiting]) + 1)
        self._minute = 0
        self._sealer.start()
        for part in waiting:
            self._sealer.seal(part)

    def take(self, batch: Batch) -> None:
        """Take a batch; it is safe after ``sync``. One that came before is left aside."""
        minute = batch.window // self._log_s
        due = minute != self._minute or self._log.size > LOG_BYTES
        if due and self._intake.is_empty and self._log.size:
            with contextlib.suppress(OSError):  # the log goes on until there can be another
                self.rotate()
        self._minute = minute
        self._intake.take(batch)

    def sync(self) -> None:
        """Make safe what was taken.

        :raises OSError: if it cannot be written: it is lost then, and the store stays as it was.
        """
        if self._intake.is_empty:
            return
        self._log.append(encoded(self._intake.frame()))
        self._intake.written()

    def lost(self, reason: str, rows: int) -> None:
        """Note with the next frame that rows of the last one were lost."""
        self._intake.lose(reason, rows)

    def rotate(self) -> None:
        """Begin another log, and have this one sealed.

        :raises OSError: if there can be no other log; this one goes on then.
        """
        if not self._log.size:
            return
        full, self._log = self._log, Log(self._folder, self._log.part + 1)
        full.close()
        self._intake.renew()
        self._sealer.seal(full.part)

    def drained(self) -> None:
        """Return when all logs but the one that is written are sealed."""
        self._sealer.drained()

    def close(self) -> None:
        """Let go; what is not sealed is read from the log."""
        self._log.close()
        if self._sealer.stop():
            self._lock.release()  # else the end of the process does

    @property
    def duplicates(self) -> int:
        """Batches that came twice, so far."""
        return self._intake.duplicates

    @property
    def counts(self) -> SealerCounts:
        """What became of logs."""
        return self._sealer.counts
