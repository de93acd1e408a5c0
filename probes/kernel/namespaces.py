"""Network namespaces of this machine: finding them, entering them, and which of them are to be reported."""

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from model.errors import UsageError

#: Where `ip netns` and container runtimes bind namespaces to names.
NAMED: Final = Path("/run/netns")
FOLDERS: Final = (NAMED, Path("/run/docker/netns"))
OWN: Final = Path("/proc/self/ns/net")

_CLONE_NEWNET: Final = 0x40000000
_NS_GET_NSTYPE: Final = 0xB703
_libc = ctypes.CDLL(None, use_errno=True)

Result = TypeVar("Result")


def network_namespaces() -> Iterator[Path]:
    """One path to each network namespace that a process lives in or a name is bound to."""
    seen: set[int] = set()
    named = [path for folder in FOLDERS for path in folder.glob("*")]
    for path in (*Path("/proc").glob("[0-9]*/ns/net"), *named):
        inode = inode_of(path)
        if inode not in seen and inode:
            seen.add(inode)
            yield path


def inode_of(path: Path | str) -> int:
    """The number of the network namespace at ``path``; 0 if there is none, or none yet.

    `ip netns add` makes an empty file first and binds the namespace to it then.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - half of the time, for thousands of paths
    except OSError:  # the process is gone
        return 0
    return found.st_ino if found.st_dev == _nsfs() else 0


@cache
def _nsfs() -> int:
    """The device of the file system in which all namespaces are files."""
    return OWN.stat().st_dev


def inside(namespace: Path, action: Callable[[], Result], expected: int = 0) -> Result:
    """What ``action`` returns in a thread that has entered ``namespace``; the process itself stays where it is.

    A socket that is opened there stays bound to the namespace, and keeps it alive until it is closed.

    :param expected: the inode that ``namespace`` must have: names and process ids are used again.
    :raises FileNotFoundError: if the namespace went with its last process, or is another one.
    :raises PermissionError: without CAP_SYS_ADMIN: setns(2) asks for it.
    :raises OSError: what ``action`` raises.
    """
    results: list[Result] = []
    failures: list[OSError] = []

    def enter_and_act() -> None:
        try:
            _enter(namespace, expected)
            results.append(action())
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=enter_and_act, name="namespace")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _enter(namespace: Path, expected: int) -> None:
    fd = os.open(namespace, os.O_RDONLY)
    try:
        if expected and os.fstat(fd).st_ino != expected:
            raise FileNotFoundError(f"{namespace} is another namespace by now")
        if _libc.setns(fd, _CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(namespace))
    finally:
        os.close(fd)


class ChosenNamespaces:
    """The network namespaces that are to be reported, as they come and go.

    :param patterns: names or patterns of names in ``/run/netns``, or paths; none for all namespaces.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._paths = [Path(pattern) for pattern in patterns if "/" in pattern]
        self._names = [pattern for pattern in patterns if "/" not in pattern]
        self._named: frozenset[int] = frozenset()
        self._changed_ns: int | None = -1
        self.all = not patterns
        self.inodes: frozenset[int] = frozenset()

    def refresh(self) -> bool:
        """Looks again, in microseconds; returns whether ``inodes`` changed."""
        before = self.inodes
        if self._names:
            self._refresh_names()
        self.inodes = self._named | (frozenset(map(inode_of, self._paths)) - {0})
        return self.inodes != before

    def _refresh_names(self) -> None:
        try:
            changed_ns = NAMED.stat().st_mtime_ns
        except FileNotFoundError:
            self._named, self._changed_ns = frozenset(), None
            return
        if changed_ns == self._changed_ns:
            return
        names = [name for name in os.listdir(NAMED) if self._matches(name)]  # noqa: PTH208
        inodes = frozenset(inode_of(NAMED / name) for name in names)
        self._named = inodes - {0}
        # A name without its namespace gets it without a change of the folder: look again.
        self._changed_ns = -1 if 0 in inodes else changed_ns

    def _matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._names)

    def __contains__(self, inode: int) -> bool:
        return self.all or inode in self.inodes

    def mask(self, netns: np.ndarray) -> np.ndarray:
        """Which rows are of a chosen namespace; ``netns`` holds inodes, shape (n,)."""
        if self.all:
            return np.ones(len(netns), np.bool_)
        return np.isin(netns, np.fromiter(self.inodes, netns.dtype, len(self.inodes)))


def require_namespaces(patterns: Sequence[str]) -> None:
    """Refuse names and paths of network namespaces that are not there; a pattern may match one that comes later.

    :raises UsageError: with the key of the configuration, for the first that is none.
    """
    for index, pattern in enumerate(patterns):
        if "/" not in pattern and set(pattern) & set("*?["):
            continue
        path = Path(pattern) if "/" in pattern else NAMED / pattern
        if complaint := _complaint(path):
            remedy = "`ip netns` lists names; write a pattern such as `web*` for namespaces that come later"
            raise UsageError(f"namespaces[{index}]: {path} {complaint}", remedy)


def _complaint(path: Path) -> str:
    """Why there is no network namespace at ``path``; empty if there is one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    try:
        kind = fcntl.ioctl(fd, _NS_GET_NSTYPE)  # ioctl_ns(2)
    except OSError:
        kind = 0
    finally:
        os.close(fd)
    return "" if kind == _CLONE_NEWNET else "is no network namespace"
