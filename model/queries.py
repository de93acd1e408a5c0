"""Queries of DNS of sockets in columns: a table of groups, one group for what one socket had in one second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model.arrays import Columns, compacted
from model.groups import check_places, decoded_columns, places_of, shifted
from model.histogram import Histograms

#: Columns of queries. ``name`` and ``histogram`` are places in the tables beside them.
TYPES: Final = {
    "name": "<u4",
    "type": "<u2",
    "rcode": "<u2",
    "queries": "<u8",
    "latency_ns": "<u8",
    "retries": "<u8",
    "truncated": "<u8",
    "search": "<u8",
    "histogram": "<u4",
}
#: ``rcode`` of what had no answer.
NO_ANSWER: Final = 65535


def _nothing() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in TYPES.items()}


@dataclass(frozen=True)
class Queries:
    """A table of groups of queries that are alike; the first group is empty.

    :param begins: where the queries of each group begin, and the end of the last; shape (groups + 1,), int64.
    :param columns: of the queries of all groups (``TYPES``): type and response code by their numbers, how many, the
        sum of their latencies, of how many it is told that they were retries, truncated, made by a search list, and
        latencies in a histogram, of nanoseconds.
    :param names: texts; the first is empty.
    """

    begins: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    columns: Columns = field(default_factory=_nothing)
    names: Sequence[str] = ("",)
    histograms: Histograms = field(default_factory=Histograms)

    def __len__(self) -> int:
        return len(self.begins) - 1

    def places(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The queries of these groups, one group after the other, and how many each has."""
        return places_of(self.begins, groups)

    def take(self, groups: np.ndarray) -> "Queries":
        """The table of these groups alone, in this order; the first of them is the empty one."""
        places, lengths = self.places(groups)
        columns = {name: column[places] for name, column in self.columns.items()}
        (columns["name"],), used = compacted([columns["name"]], len(self.names))
        (columns["histogram"],), held = compacted([columns["histogram"]], len(self.histograms))
        names = [self.names[place] for place in used.tolist()]
        begins = np.concatenate(([0], np.cumsum(lengths)))
        return Queries(begins, columns, names, self.histograms.take(held))

    @classmethod
    def joined(cls, tables: Sequence["Queries"]) -> tuple["Queries", list[int]]:
        """One table of all, and by how much numbers (but 0) of groups of each of them grow."""
        shifts = np.cumsum([0, *(len(table) - 1 for table in tables)])[:-1].tolist()
        lengths = [np.diff(table.begins)[1:] for table in tables]
        begins = np.concatenate((np.zeros(2, np.int64), np.cumsum(np.concatenate(lengths))))
        histograms, grown = Histograms.joined([table.histograms for table in tables])
        names, parts = [""], []
        for table, shift in zip(tables, grown, strict=True):
            moved = {
                "histogram": shifted(table.columns["histogram"], shift),
                "name": shifted(table.columns["name"], len(names) - 1),
            }
            names += table.names[1:]
            parts.append(table.columns | moved)
        columns = {name: np.concatenate([part[name] for part in parts], dtype=TYPES[name]) for name in TYPES}
        return cls(begins, columns, names, histograms), shifts

    def encode(self) -> dict[str, Any]:
        """As it stands in a message."""
        if len(self) == 1:
            return {}
        columns = {name: self.columns[name].astype(kind).tobytes() for name, kind in TYPES.items()}
        tables = {"names": list(self.names), "histograms": self.histograms.encode()}
        return {"begins": self.begins.astype("<i8").tobytes(), **columns, **tables}

    @classmethod
    def decode(cls, message: Mapping[str, Any]) -> "Queries":
        """What ``encode`` gave.

        :raises ValueError: if its parts do not fit together.
        """
        begins = np.frombuffer(message.get("begins", b""), "<i8")
        if not len(begins):
            return cls()
        columns = decoded_columns(message, TYPES, {}, begins)
        names = message.get("names") or [""]
        histograms = Histograms.decode(message.get("histograms") or {})
        if not all(isinstance(text, str) for text in names):
            raise ValueError("names of queries that are no texts")
        check_places(columns, {"name": len(names), "histogram": len(histograms)})
        return cls(begins, columns, names, histograms)

    @property
    def nbytes(self) -> int:
        """Bytes in a message, about, and not less."""
        columns = sum(np.dtype(kind).itemsize for kind in TYPES.values()) * len(self.columns["queries"])
        texts = sum(len(text.encode()) + 5 for text in self.names)
        return int(self.begins.nbytes + self.histograms.nbytes) + columns + texts + 256
