"""What ids stand for: read from files once for each set of files, and put together with what the log has more."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from store.segments.columns import Table
from store.segments.manifest import Segment
from store.segments.tables import Table as Kind

Rows = Mapping[str, np.ndarray]


class Definitions:
    """The rows of a table whose key is an id, one for each, ordered by it.

    :param read: the rows of files, one for each id.
    """

    def __init__(self, kind: Kind, read: Callable[[Kind, Sequence[Segment]], Rows]) -> None:
        self._kind = kind
        self._read = read
        self._files: list[str] = []
        self._sealed: Rows | None = None
        self._tail: Table | None = None
        self._rows: Rows = {}

    def rows(self, segments: Sequence[Segment], tail: Table | None) -> Rows:
        """All of them; to be left as they are.

        :param tail: the rows of the log: the same object as long as they are the same.
        """
        files = [segment.file for segment in segments]
        if self._sealed is None or files != self._files:
            self._sealed, self._files = self._read(self._kind, segments), files
        elif tail is self._tail:
            return self._rows
        self._tail = tail
        self._rows = self._sealed if tail is None else self._together(self._sealed, tail)
        return self._rows

    def _together(self, sealed: Rows, tail: Table) -> Rows:
        columns = {
            name: np.concatenate((sealed[name], np.asarray(tail[name], sealed[name].dtype)))
            for name in self._kind.types
        }
        order = np.argsort(columns["id"], kind="stable")
        _, starts = np.unique(columns["id"][order], return_index=True)
        first = np.minimum.reduceat(columns["first_s"][order], starts) if len(starts) else columns["first_s"]
        last = np.maximum.reduceat(columns["last_s"][order], starts) if len(starts) else columns["last_s"]
        some = {name: column[order[starts]] for name, column in columns.items()}
        return some | {"first_s": first, "last_s": last}
