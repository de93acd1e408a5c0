"""What a reader sees of logs that are not sealed: only what came since it last looked is read."""

from pathlib import Path

from store.segments.columns import Table
from store.segments.frames import Frame, frames_of
from store.segments.log import logs
from store.segments.rollup import folded, together
from store.segments.sealing import tables_in
from store.segments.tables import ROWS


class Tail:
    """The frames of all logs above a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: dict[int, list[Frame]] = {}
        self._ends: dict[int, int] = {}
        self._tables: dict[str, Table] = {}

    def look(self, after: int) -> bool:
        """Read what is new, and forget logs up to this number.

        :return: whether all logs could be read; not if one was sealed meanwhile.
        :raises OSError: if one cannot be read.
        """
        changed = [part for part in self._frames if part <= after]
        for part in changed:
            del self._frames[part], self._ends[part]
        for part, path in logs(self._folder, after):
            begin = self._ends.get(part, 0)
            try:
                if path.stat().st_size == begin:
                    continue
                frames, self._ends[part] = frames_of(path, begin)
            except FileNotFoundError:
                return False
            self._frames.setdefault(part, []).extend(frames)
            changed += [part] * bool(frames)
        if changed:
            self._tables = self._all()
        return True

    def _all(self) -> dict[str, Table]:
        parts = [tables_in(frames, part) for part, frames in sorted(self._frames.items())]
        names = {name for part in parts for name in part}
        tables: dict[str, Table] = {
            name: together([part[name] for part in parts if name in part]) for name in names
        }
        if ROWS.name in tables:
            tables[ROWS.name] = folded(tables[ROWS.name])
        return tables

    @property
    def tables(self) -> dict[str, Table]:
        """All rows of each table that has any; to be left as they are."""
        return self._tables

    @property
    def newest(self) -> Frame | None:
        """The last frame."""
        held = [frames[-1] for _, frames in sorted(self._frames.items()) if frames]
        return held[-1] if held else None
