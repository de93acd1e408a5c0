"""Finds the file and the offset in it that a uprobe's place means: by path, name of a library, or build id."""

import contextlib
import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from model.probe import Place
from probes.kernel.elf import Elf, ElfError

#: Where libraries are that have no path (ld.so(8)), beside those that this process has itself.
LIBRARY_FOLDERS: Final = (
    f"/lib/{os.uname().machine}-linux-gnu",
    f"/usr/lib/{os.uname().machine}-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
)
PROC: Final = Path("/proc")


def locate(place: Place) -> tuple[str, int]:
    """The path of the file, as this process can open it, and the offset in it.

    :raises OSError: ENOENT if there is no such file, or none with this build id; EINVAL if it has no such function.
    """
    path = _find(place)
    with opened_elf(path) as elf:
        try:
            return str(path), _offset(place, elf)
        except ElfError as error:
            raise OSError(errno.EINVAL, str(error), str(path)) from error


def _offset(place: Place, elf: Elf) -> int:
    if place.build_id and elf.build_id != place.build_id.lower():
        raise ElfError(f"its build id is {elf.build_id or 'not there'}, and not {place.build_id}")
    return place.offset + (elf.offset_of(place.symbol) if place.symbol else 0)


@contextmanager
def opened_elf(path: Path) -> Iterator[Elf]:
    """The file, mapped while the block runs.

    :raises OSError: if it cannot be read; EINVAL if it is no ELF file of 64 bits.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise OSError(errno.EINVAL, "an empty file", str(path))
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        view = memoryview(mapped)
        try:
            yield _elf(view, path)
        finally:
            view.release()
            with contextlib.suppress(
                BufferError
            ):  # an error that is under way may hold a part: it goes with that
                mapped.close()


def _elf(data: memoryview, path: Path) -> Elf:
    try:
        return Elf(data)
    except ElfError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error


def _find(place: Place) -> Path:
    if not place.file:
        return _with_build_id(place)
    inside = Path(f"/proc/{place.process}/root") if place.process else Path("/")
    if "/" in place.file:
        return inside / place.file.lstrip("/") if place.process else Path(place.file)
    for path in _candidates(place, inside):
        if path.is_file():
            return path
    raise FileNotFoundError(errno.ENOENT, "no such library", place.file)


def _candidates(place: Place, inside: Path) -> Iterator[Path]:
    """A library of that name: the one that the process uses, or this one; else where libraries are."""
    for path in mapped_files(place.process or os.getpid()):
        if path.name == place.file:
            yield path
    for folder in LIBRARY_FOLDERS:
        yield inside / folder.lstrip("/") / place.file


def _with_build_id(place: Place) -> Path:
    """A file that a process runs or has mapped; each is looked at once, however many processes share it."""
    seen: set[tuple[int, int]] = set()
    processes = [place.process] if place.process else _processes()
    for process in processes:
        for path in mapped_files(process):
            try:
                stat = path.stat()
                if (stat.st_dev, stat.st_ino) in seen:
                    continue
                seen.add((stat.st_dev, stat.st_ino))
                with opened_elf(path) as elf:
                    if elf.build_id == place.build_id.lower():
                        return path
            except (OSError, ElfError):  # it went away, or is no ELF file
                continue
    raise FileNotFoundError(errno.ENOENT, "no process has a file with this build id", place.build_id)


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def mapped_files(process: int) -> list[Path]:
    """The files whose code a process has mapped, as this process can open them (proc_pid_maps(5)).

    None if the process is gone.
    """
    try:
        lines = (PROC / str(process) / "maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    fields = [line.split(maxsplit=5) for line in lines]
    names = dict.fromkeys(
        line[5] for line in fields if len(line) == 6 and "x" in line[1] and line[5].startswith("/")
    )
    return [PROC / str(process) / "root" / name.lstrip("/") for name in names]
