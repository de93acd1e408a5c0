"""What the store consists of at one moment: one small file that is replaced whole."""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from model.errors import TailraceError

NAME: Final = "manifest.json"
#: Ends the name of a file that is not whole, which begins with a dot.
UNFINISHED: Final = ".unfinished"
VERSION: Final = 2


class Segment(msgspec.Struct, frozen=True):
    """A file of Parquet.

    :param file: its path within the store.
    :param step_s: of its rows; 0: it is of another table than that of edges.
    :param begin_s: of its first row; up to, and without, ``end_s``.
    :param first_part: number of the oldest log that its rows come from; ``last_part`` of the newest.
    :param seconds: recorded in those logs.
    """

    file: str
    table: str
    step_s: int
    begin_s: int
    end_s: int
    first_part: int
    last_part: int
    rows: int
    bytes: int
    seconds: int


class Manifest(msgspec.Struct, frozen=True):
    """All that is sealed; logs with a number above ``part`` hold the rest.

    :param forgotten: step in seconds -> rows of that step from logs up to this number are gone.
    :param marks: kind, node, boot, seq: the newest batch of each source.
    :param dropped: files that this manifest no longer has; they stay until the next one, for those who read.
    """

    version: int = VERSION
    part: int = 0
    newest_s: int = 0
    complete_s: int = 0
    segments: list[Segment] = []
    forgotten: dict[int, int] = {}
    marks: list[tuple[str, str, str, int]] = []
    dropped: list[str] = []

    def of(self, table: str, step_s: int = 0) -> list[Segment]:
        """The files of a table and step."""
        return [each for each in self.segments if each.table == table and each.step_s == step_s]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(segment.bytes for segment in self.segments)


def read(folder: Path) -> Manifest:
    """The manifest of a store; an empty one if nothing was sealed yet.

    :raises TailraceError: if it is of a newer version, or no manifest.
    :raises OSError: if it cannot be read.
    """
    try:
        data = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return Manifest()
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        remedy = "move the folder away, or restore the file from a copy"
        raise TailraceError(f"{folder / NAME} is no manifest of a store ({error})", remedy) from error
    if manifest.version != VERSION:
        what = f"the store {folder} has version {manifest.version}, this program reads {VERSION}"
        raise TailraceError(what, "use the program that wrote it, or another folder")
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest; when this returns it is safe.

    :raises OSError: if that cannot be done; the one before is in force then.
    """
    path = folder / NAME
    aside = path.with_name(f".{NAME}{UNFINISHED}")
    with aside.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make safe which names there are in it.

    :raises OSError: if that cannot be done.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(folder: Path, files: list[str]) -> None:
    """Remove files that no manifest has; what cannot be removed is removed at the next start."""
    for file in files:
        with contextlib.suppress(OSError):
            (folder / file).unlink()


def left_over(folder: Path, manifest: Manifest) -> list[str]:
    """Files of Parquet that the manifest does not have: of a program that was killed while it made them."""
    known = {segment.file for segment in manifest.segments}
    found = [*folder.glob("*/*.parquet"), *folder.glob(f"*/.*{UNFINISHED}"), *folder.glob(f".*{UNFINISHED}")]
    return [file for path in found if (file := str(path.relative_to(folder))) not in known]
