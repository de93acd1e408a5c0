"""Root folders of the kernel's file systems, also where they are not mounted.

Then one is mounted without a mount point: nobody else sees it, and it goes with its descriptor.

Source: fsopen(2), fsconfig(2), fsmount(2); Linux 5.2.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

#: The same on every architecture (kernel: include/uapi/asm-generic/unistd.h and arch/*/**/syscall*.tbl).
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC: Final = 1
#: fsconfig(2): FSCONFIG_CMD_CREATE.
_CREATE: Final = 6
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def root_of(kind: str) -> Iterator[int]:
    """The root folder of ``tracefs`` or ``cgroup2``, open for as long as the block runs.

    :raises OSError: if it is not mounted, and EPERM without CAP_SYS_ADMIN, ENODEV if the kernel has none.
    """
    mounted = mount_point(kind)
    root = os.open(mounted, _FOLDER) if mounted else _detached(kind)
    try:
        yield root
    finally:
        os.close(root)


def mount_point(kind: str) -> str | None:
    """Where the whole of such a file system is mounted, as this process sees it (proc_pid_mountinfo(5))."""
    for line in MOUNTS.read_text().splitlines():
        mount, _, source = line.partition(" - ")
        root, point = mount.split()[3:5]
        if source.split()[0] == kind and root == "/":
            return point.encode().decode("unicode_escape")
    return None


def _detached(kind: str) -> int:
    context = _call(kind, _FSOPEN, ctypes.c_char_p(kind.encode()), _CLOEXEC)
    try:
        _call(kind, _FSCONFIG, context, _CREATE, None, None, 0)
        mount = _call(kind, _FSMOUNT, context, _CLOEXEC, 0)
    finally:
        os.close(context)
    try:  # what fsmount gives is a place (O_PATH), and no folder to work with
        return os.open(".", _FOLDER, dir_fd=mount)
    finally:
        os.close(mount)


def _call(kind: str, number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"mount of {kind}")
    return result
