"""What happens to logs that are full, in a thread of its own: sealed, merged, forgotten."""

import atexit
import errno
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from store.segments import merging
from store.segments.frames import Frame, Source, frames_of
from store.segments.limits import Limits, forgotten, split
from store.segments.log import log_path, logs
from store.segments.manifest import Manifest, Segment, remove, write
from store.segments.parquet.reading import FileReader
from store.segments.sealing import seal
from store.segments.tables import STEPS

#: Sources of which the newest number is remembered.
SOURCES: Final = 4096
#: Seconds until something that failed is tried again.
PAUSE_S: Final = 10.0
#: Seconds that it gets at the end: what it does is interrupted, and done at the next start.
END_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass
class SealerCounts:
    """What it did, for the ledger.

    :param failures: attempts that failed, with the disk's last word in ``error``.
    :param forgotten_rows: rows that went before their time, for want of room.
    """

    sealed: int = 0
    merged: int = 0
    failures: int = 0
    forgotten_rows: int = 0
    error: str = ""


class Sealer:
    """Seals the logs it is told of, in order; what a log holds is never in memory before.

    However the process ends, the thread is told to, and waited for.

    :param manifest: in force.
    """

    def __init__(self, folder: Path, manifest: Manifest, limits: Limits) -> None:
        self.counts = SealerCounts()
        self.manifest = manifest
        self._folder = folder
        self._limits = limits
        self._parts: queue.Queue[int | None] = queue.Queue()
        self._ending = threading.Event()
        self._files = FileReader(0)
        self._thread = threading.Thread(target=self._run, name="store.sealer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        atexit.register(self.stop)

    def seal(self, part: int) -> None:
        """Seal this log when those before it are."""
        self._parts.put(part)

    def drained(self) -> None:
        """Return when all logs that it was told of are sealed."""
        self._parts.join()

    def stop(self, timeout: float = END_S) -> bool:
        """Interrupt what it does now; logs that are not sealed then are sealed at the next start.

        :return: whether it ended in time.
        """
        self._ending.set()
        self._parts.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        atexit.unregister(self.stop)
        return True

    def _check(self) -> None:
        """:raises InterruptedError: if it is to end."""
        if self._ending.is_set():
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))

    def _run(self) -> None:
        while (part := self._parts.get()) is not None:
            if self._until_it_works(partial(self._seal, part)):
                self._until_it_works(self._tidy, attempts=1)
            self._parts.task_done()

    def _until_it_works(self, work: "Callable[[], None]", attempts: int = 0) -> bool:
        """Try again and again, with pauses; a full disk has room again some day.

        :param attempts: 0: without end.
        :return: whether it worked; not if the sealer is to end.
        """
        attempt = 0
        while not self._ending.is_set():
            try:
                work()
            except OSError as error:
                if self._ending.is_set():  # interrupted
                    return False
                attempt += 1
                self._failed(error)
                if attempt == attempts or self._ending.wait(PAUSE_S):
                    return False
            else:
                return True
        return False

    def _failed(self, error: OSError) -> None:
        self.counts.failures += 1
        said = f"{error.strerror or error}"
        if said != self.counts.error:
            log.warning("store %s: cannot seal (%s); it goes on with the log", self._folder, said)
        self.counts.error = said

    def _seal(self, part: int) -> None:
        """:raises OSError: if its files cannot be written."""
        path = log_path(self._folder, part)
        frames, _ = frames_of(path) if path.exists() else ([], 0)
        if not frames:
            return
        made = seal(self._folder, frames, part, self._check)
        last, marks = frames[-1], newest_marks(self.manifest, frames)
        del frames
        self._commit(
            msgspec.structs.replace(
                self.manifest,
                part=part,
                newest_s=last.newest_s,
                complete_s=last.complete_s,
                marks=marks,
                segments=[*self.manifest.segments, *made],
            )
        )
        path.unlink(missing_ok=True)
        self.counts.sealed += 1
        self.counts.error = ""

    def _tidy(self) -> None:
        """Forget and merge.

        :raises OSError: if files cannot be written; what was done stays.
        """
        self._forget()
        rows, sides = merging.blocks_to_merge(self.manifest), merging.sides_to_merge(self.manifest)
        for same in rows:
            self._replace(same, merging.merge_rows(self._files, self._folder, same, self._check))
        oldest = self.manifest.forgotten.get(STEPS[-1], 0)
        for same in sides:
            self._replace(same, merging.merge_side(self._files, self._folder, same, oldest, self._check))

    def _forget(self) -> None:
        waiting = sum(path.stat().st_size for _, path in logs(self._folder, self.manifest.part))
        segments = self.manifest.segments
        gone, rows = forgotten(segments, self._limits, self.manifest.forgotten, waiting)
        kept, dropped = split(segments, gone)
        if gone != self.manifest.forgotten or dropped:
            self._commit(
                msgspec.structs.replace(self.manifest, segments=kept, forgotten=gone),
                [each.file for each in dropped],
            )
            self.counts.forgotten_rows += rows

    def _replace(self, old: Sequence[Segment], new: Segment | None) -> None:
        gone = {each.file for each in old}
        kept = [each for each in self.manifest.segments if each.file not in gone]
        segments = [*kept, *([new] if new else [])]
        self._commit(msgspec.structs.replace(self.manifest, segments=segments), sorted(gone))
        self.counts.merged += 1

    def _commit(self, manifest: Manifest, dropped: Sequence[str] = ()) -> None:
        """Put a manifest in force; files that it no longer has are removed when the next log is sealed."""
        gone = self.manifest.dropped if manifest.part != self.manifest.part else []
        stay = [] if gone else self.manifest.dropped
        manifest = msgspec.structs.replace(manifest, dropped=[*stay, *dropped])
        write(self._folder, manifest)
        self.manifest = manifest
        remove(self._folder, gone)


def newest_marks(manifest: Manifest, frames: Sequence[Frame]) -> list[tuple[str, str, str, int]]:
    """Of each source the newest batch; those that spoke last are the last."""
    marks: dict[Source, int] = {(kind, node, boot): seq for kind, node, boot, seq in manifest.marks}
    for frame in frames:
        for source, seq in frame.marks.items():
            marks.pop(source, None)
            marks[source] = seq
    return [(*source, seq) for source, seq in marks.items()][-SOURCES:]
