"""Finds network namespaces while they come: names at once, those of new processes in a second, others in ten."""

import logging
import os
from pathlib import Path
from typing import Final

from model.clock import SECOND_NS
from probes.kernel.namespaces import FOLDERS, inode_of

#: All processes are looked at again: one may have entered a namespace of its own (about 4 µs each).
FULL_NS: Final = 10 * SECOND_NS

log = logging.getLogger(__name__)


class NamespaceFinder:
    """Looks for namespaces again and again, each time mostly where something changed."""

    def __init__(self) -> None:
        self._processes: set[str] = set()
        self._changed_ns: dict[Path, int] = {}
        self._full_at = 0
        self._unreadable: set[Path] = set()  # folders that this user may not read

    def look(self, now_ns: int, *, fully: bool = False) -> dict[int, Path]:
        """Inode and path of namespaces found now: all of them every ten seconds, else those in changed places.

        :param now_ns: monotonic.
        """
        if fully or now_ns >= self._full_at:
            self._full_at = now_ns + FULL_NS
            self._processes.clear()
            self._changed_ns.clear()
        found: dict[int, Path] = {}
        for path in (*self._changed_names(), *self._new_processes()):  # a name lasts longer than a process
            inode = inode_of(path)
            if inode and inode not in found:
                found[inode] = Path(path)
        return found

    def _new_processes(self) -> list[str]:
        now = {name for name in os.listdir("/proc") if name[0] in "123456789"}  # noqa: PTH208 - pathlib is slow
        new, self._processes = now - self._processes, now
        return [f"/proc/{process}/ns/net" for process in sorted(new, key=int)]

    def _changed_names(self) -> list[str]:
        names: list[str] = []
        for folder in FOLDERS:
            try:
                changed_ns = folder.stat().st_mtime_ns
                if changed_ns == self._changed_ns.get(folder):
                    continue
                here = [str(folder / name) for name in os.listdir(folder)]  # noqa: PTH208
            except FileNotFoundError:
                continue
            except PermissionError as error:
                self._note_unreadable(folder, error)
                continue
            # A name without its namespace gets it without a change of the folder: look again.
            self._changed_ns[folder] = changed_ns if all(map(inode_of, here)) else -1
            names += here
        return names

    def _note_unreadable(self, folder: Path, error: OSError) -> None:
        """Log once that names in ``folder`` stay unknown; namespaces of processes are found all the same."""
        if folder not in self._unreadable:
            self._unreadable.add(folder)
            log.warning(
                "%s cannot be read (%s): namespaces that have a name there and no process are not seen: "
                "run as root, or add CAP_DAC_READ_SEARCH",
                folder,
                error.strerror,
            )
