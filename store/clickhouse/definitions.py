"""What ids stand for, as far as it was asked for: read once, and again when an id comes that is not known."""

import threading
from collections.abc import Callable, Sequence

import numpy as np

from store.clickhouse.sums import LISTED
from store.segments.columns import Column, Table, joined, rows_of, taken


class Definitions:
    """The rows of a table whose key is an id. Safe to use from any thread.

    :param read: the rows of these ids, one for each, in any order; of all for None.
    """

    def __init__(self, read: Callable[[np.ndarray | None], Table]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._ids = np.zeros(0, np.int64)
        self._rows: dict[str, Column] = {}

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, Table]:
        """The rows that are known, and the place of each id in them; of one that nobody defined -1.

        :raises TailraceError: if the server does not answer.
        """
        with self._lock:
            missing = np.setdiff1d(ids, self._ids)
            if len(missing):
                self._learn(self._read(missing if len(missing) <= LISTED else None))
            places = np.minimum(np.searchsorted(self._ids, ids), max(0, len(self._ids) - 1))
            known = self._ids[places] == ids if len(self._ids) else np.zeros(len(ids), np.bool_)
            return np.where(known, places, -1), self._rows

    def _learn(self, found: Table) -> None:
        if not rows_of(found):
            return
        tables: Sequence[Table] = [self._rows, found] if self._rows else [found]
        both = {name: joined([table[name] for table in tables]) for name in found}
        self._ids, first = np.unique(np.asarray(both["id"]), return_index=True)
        self._rows = {name: taken(column, first) for name, column in both.items()}
