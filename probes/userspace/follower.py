"""Which processes run which files, and the probes in these: attached once per file, gone when the last process is."""

import contextlib
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from model.errors import ProbeError
from model.probe import Hook
from probes.userspace.finding import Finder, Found, examine
from probes.userspace.mapped import PROC, FileIdentity, Mapped, identity, mapped_code

log = logging.getLogger(__name__)

#: Files of which it is remembered what they have; the oldest make room.
FILES: Final = 16384
#: Files with probes at once.
ATTACHED: Final = 1024
#: Processes that use them; those beyond are counted, and looked at again when they talk.
PROCESSES: Final = 16384
#: How long probes stay behind the last process, for the next one: a program that is run again and again.
LINGER_SECONDS: Final = 5
#: Threads that take probes off at the end.
CLOSERS: Final = 16
#: Seconds in which each process is looked at again, for what it may have loaded since; at most so many in one second:
#: a look takes up to half a millisecond.
CHECK_SECONDS: Final = 60
CHECKED: Final = 16


class Held(Protocol):
    """What holds probes in their place."""

    def close(self) -> None:
        """Takes them off."""


@dataclass
class _File:
    """A file in which something was found."""

    name: str
    found: list[Found]
    held: list[Held] = field(default_factory=list)
    refused: str = ""
    users: set[int] = field(default_factory=set)
    idle_seconds: int = 0


class Follower:
    """Keeps the probes up to date; one thread works with it.

    :param attach: attaches a hook until what it gives is closed; raises ProbeError.
    :param linger: seconds without a process until a file is left.
    """

    def __init__(
        self,
        finders: Sequence[Finder],
        attach: Callable[[Hook], Held],
        *,
        proc: Path = PROC,
        linger: int = LINGER_SECONDS,
    ) -> None:
        self._finders, self._attach = finders, attach
        self._proc, self._linger = proc, linger
        self._seen: OrderedDict[tuple[str, int], FileIdentity | None] = OrderedDict()
        self._files: dict[FileIdentity, _File] = {}
        self._users: OrderedDict[int, set[FileIdentity]] = OrderedDict()
        #: What was done and left, by its name: for the ledger.
        self.counts: Counter[str] = Counter()

    def look(self, process: int) -> bool:
        """Finds what a process runs now, and attaches what is new; returns whether there is anything in it."""
        used = set()
        for mapped in mapped_code(process, self._proc):
            key = self._known(mapped)
            if key is not None:
                used.add(key)
        self._forget(process, self._users.pop(process, set()) - used)
        if used and len(self._users) < PROCESSES:
            self._users[process] = used
            for key in used:
                self._files[key].users.add(process)
                self._files[key].idle_seconds = 0
        elif used:
            self.counts["processes_beyond"] += 1
        return bool(used)

    def _known(self, mapped: Mapped) -> FileIdentity | None:
        """The file, if something is in it."""
        key = self._seen.get(mapped.key)
        if mapped.key in self._seen and (key is None or key in self._files):
            self._seen.move_to_end(mapped.key)
            return key
        try:
            key = self._examined(mapped)
        except ProcessLookupError:
            return None
        self._seen[mapped.key] = key
        if len(self._seen) > FILES:
            self._seen.popitem(last=False)
        return key

    def _examined(self, mapped: Mapped) -> FileIdentity | None:
        """By the first path that leads to the file.

        :raises ProcessLookupError: if none does: the process ended meanwhile, and the next one that runs it tells.
        """
        for path in mapped.paths:
            try:
                return self._file_at(path, mapped)
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
            except OSError:  # no file that can be read
                return None
        raise ProcessLookupError

    def _file_at(self, path: Path, mapped: Mapped) -> FileIdentity | None:
        key = identity(path)
        if key not in self._files:
            self.counts["files"] += 1
            try:
                found = examine(path, self._finders)
            except MemoryError:
                self.counts["files_beyond_memory"] += 1
                return None
            if not found:
                return None
            self._files[key] = self._entered(mapped.named(path), mapped.name, found)
            if not path.exists():
                self._leave(key)
                raise ProcessLookupError
        return key

    def _entered(self, path: Path, name: str, found: list[Found]) -> _File:
        file = _File(name, found)
        for one in found:
            if not one.points:
                file.refused = one.finding.reason
            elif sum(bool(other.held) for other in self._files.values()) >= ATTACHED:
                file.refused = f"more than {ATTACHED} files"
                self.counts["files_beyond"] += 1
            else:
                self._attached(file, one, path)
        return file

    def _attached(self, file: _File, found: Found, path: Path) -> None:
        try:
            file.held.append(self._attach(found.hook(str(path))))
            self.counts["attached"] += 1
        except ProbeError as error:
            file.refused = error.what
            self.counts["refused"] += 1
            log.warning("no probes in %s: %s", file.name, error.what)

    def tick(self) -> None:
        """A second is over: leaves files whose last process is gone."""
        for process in [one for one in self._users if not (self._proc / str(one)).exists()]:
            self._forget(process, self._users.pop(process))
        due = min(CHECKED, -(-len(self._users) // CHECK_SECONDS))
        for process in list(islice(self._users, due)):
            self.look(process)  # which puts it behind the others
        for key, file in list(self._files.items()):
            file.idle_seconds = 0 if file.users else file.idle_seconds + 1
            if file.idle_seconds > self._linger and not self._still_used(key):
                self._leave(key)

    def _still_used(self, key: FileIdentity) -> bool:
        """By a process that was forked by one that is gone."""
        for entry in self._proc.iterdir():
            if entry.name.isdigit() and int(entry.name) not in self._users:
                self.look(int(entry.name))
        return bool(self._files[key].users)

    def _forget(self, process: int, files: set[FileIdentity]) -> None:
        for key in files:
            if key in self._files:
                self._files[key].users.discard(process)

    def _leave(self, key: FileIdentity) -> None:
        file = self._files.pop(key)
        for held in file.held:
            held.close()
        self.counts["left"] += bool(file.held)

    def close(self) -> None:
        """Takes all probes off, several at once: the kernel waits for each until nobody runs it."""
        held = [one for file in self._files.values() for one in file.held]
        self._files.clear()
        with ThreadPoolExecutor(CLOSERS) as pool:
            list(pool.map(lambda one: one.close(), held))

    def state(self) -> list[dict[str, Any]]:
        """Each file in which something was found, with its probes."""
        return [
            {
                "file": file.name,
                "found": [one.finding.what for one in file.found],
                "attached": bool(file.held),
                "reason": file.refused,
                "processes": len(file.users),
            }
            for file in list(self._files.values())
        ]


def processes(proc: Path = PROC) -> list[int]:
    """All that are there."""
    with contextlib.suppress(OSError):
        return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
    return []
