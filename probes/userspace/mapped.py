"""The files whose code a process has mapped, each with what tells it from others; in containers, too."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Mapped:
    """A file that a process has mapped (proc_pid_maps(5)).

    :param key: device and inode, as the kernel's list of mappings has them.
    :param name: as the process called it.
    :param paths: under which this process can open it, best first.
    """

    key: tuple[str, int]
    name: str
    paths: tuple[Path, ...]

    def named(self, path: Path) -> Path:
        """The path with the file's name in it, if it leads to the same file as this one: for people."""
        with contextlib.suppress(OSError):
            if self.paths[-1].samefile(path):
                return self.paths[-1]
        return path


def mapped_code(process: int, proc: Path = PROC) -> list[Mapped]:
    """Each file once; none if the process is gone, or a thread of the kernel."""
    folder = proc / str(process)
    try:
        lines = (folder / "maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    files: dict[tuple[str, int], Mapped] = {}
    for line in lines:
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or "x" not in fields[1] or fields[4] == "0":
            continue
        key = (fields[3], int(fields[4]))
        if key not in files:
            files[key] = Mapped(key, _name(fields[5]), _paths(folder, fields))
    return list(files.values())


def _name(text: str) -> str:
    return text.rstrip().removesuffix(" (deleted)")


def _paths(folder: Path, fields: list[str]) -> tuple[Path, ...]:
    """By the mapping itself, which is there also when the file is deleted; by its name, for those who may not."""
    by_name = folder / "root" / _name(fields[5]).lstrip("/")
    begin, end = (part.lstrip("0") or "0" for part in fields[0].split("-"))
    return folder / "map_files" / f"{begin}-{end}", by_name


@dataclass(frozen=True)
class FileIdentity:
    """Tells a file from all others.

    Overlay file systems show one file under a device for each of their mounts (kernel: Documentation/filesystems/
    overlayfs.rst, "Inode properties"), and a probe in one is in all: without a disk's device, `device` is 0.
    """

    device: int
    inode: int
    size: int
    changed_ns: int


def identity(path: Path) -> FileIdentity:
    """Of the file at a path.

    :raises OSError: if it is not there.
    """
    stat = path.stat()
    device = stat.st_dev if os.major(stat.st_dev) else 0
    return FileIdentity(device, stat.st_ino, stat.st_size, stat.st_mtime_ns)
