"""Requests of sockets in columns: a table of groups, one group for what one socket had in one second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model.arrays import Array, Columns, compacted
from model.histogram import Histograms

#: Columns of requests, by name. ``route`` and ``histogram`` are places in the tables beside them.
TYPES: Final = {
    "method": "<u1",
    "status": "<u2",
    "route": "<u4",
    "requests": "<u8",
    "latency_ns": "<u8",
    "histogram": "<u4",
}


def _nothing() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in TYPES.items()}


@dataclass(frozen=True)
class Requests:
    """A table of groups of requests that are alike; the first group is empty.

    :param begins: where the requests of each group begin, and the end of the last; shape (groups + 1,), int64.
    :param columns: of the requests of all groups (``TYPES``): method as the probe numbers it, status (0: no answer),
        how many, the sum of their latencies, from head to head, and these in a histogram, of nanoseconds.
    :param routes: texts; the first is empty.
    """

    begins: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    columns: Columns = field(default_factory=_nothing)
    routes: Sequence[str] = ("",)
    histograms: Histograms = field(default_factory=Histograms)

    def __len__(self) -> int:
        return len(self.begins) - 1

    def places(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The requests of these groups, one group after the other, and how many each has."""
        lengths = self.begins[groups + 1] - self.begins[groups]
        begins = np.cumsum(lengths) - lengths
        places = np.repeat(self.begins[groups] - begins, lengths) + np.arange(int(lengths.sum()))
        return places, lengths

    def take(self, groups: np.ndarray) -> "Requests":
        """The table of these groups alone, in this order; the first of them is the empty one."""
        places, lengths = self.places(groups)
        columns = {name: column[places] for name, column in self.columns.items()}
        (columns["route"],), routes = compacted([columns["route"]], len(self.routes))
        (columns["histogram"],), held = compacted([columns["histogram"]], len(self.histograms))
        begins = np.concatenate(([0], np.cumsum(lengths)))
        texts = [self.routes[place] for place in routes.tolist()]
        return Requests(begins, columns, texts, self.histograms.take(held))

    @classmethod
    def joined(cls, tables: Sequence["Requests"]) -> tuple["Requests", list[int]]:
        """One table of all, and by how much numbers (but 0) of groups of each of them grow."""
        shifts = np.cumsum([0, *(len(table) - 1 for table in tables)])[:-1].tolist()
        lengths = [np.diff(table.begins)[1:] for table in tables]
        begins = np.concatenate((np.zeros(2, np.int64), np.cumsum(np.concatenate(lengths))))
        histograms, grown = Histograms.joined([table.histograms for table in tables])
        routes = [""]
        parts = []
        for table, shift in zip(tables, grown, strict=True):
            histogram, route = table.columns["histogram"], table.columns["route"]
            moved = {
                "histogram": np.where(histogram, np.add(histogram, np.uint32(shift)), np.uint32(0)),
                "route": np.where(route, np.add(route, np.uint32(len(routes) - 1)), np.uint32(0)),
            }
            parts.append(table.columns | moved)
            routes += table.routes[1:]
        columns = {name: np.concatenate([part[name] for part in parts], dtype=TYPES[name]) for name in TYPES}
        return cls(begins, columns, routes, histograms), shifts

    def encode(self) -> dict[str, Any]:
        """As it stands in a message."""
        if len(self) == 1:
            return {}
        columns = {name: self.columns[name].astype(kind).tobytes() for name, kind in TYPES.items()}
        tables = {"routes": list(self.routes), "histograms": self.histograms.encode()}
        return {"begins": self.begins.astype("<i8").tobytes(), **columns, **tables}

    @classmethod
    def decode(cls, message: Mapping[str, Any]) -> "Requests":
        """What ``encode`` gave; a column that is not there has zeros.

        :raises ValueError: if its parts do not fit together.
        """
        begins = np.frombuffer(message.get("begins", b""), "<i8")
        if not len(begins):
            return cls()
        rows = int(begins[-1])
        columns = {name: _column(message.get(name), kind, rows) for name, kind in TYPES.items()}
        routes = message.get("routes") or [""]
        histograms = Histograms.decode(message.get("histograms") or {})
        if len(begins) < 2 or begins[0] != 0 or (np.diff(begins) < 0).any():
            raise ValueError("groups of requests that do not follow each other")
        if not all(isinstance(route, str) for route in routes):
            raise ValueError("routes of requests that are no texts")
        for name, table in (("route", routes), ("histogram", histograms)):
            if rows and int(columns[name].max()) >= len(table):
                raise ValueError(f"{name} of requests points beyond {len(table)}")
        return cls(begins, columns, routes, histograms)

    @property
    def nbytes(self) -> int:
        """Bytes in a message, about, and not less."""
        columns = sum(np.dtype(kind).itemsize for kind in TYPES.values()) * len(self.columns["status"])
        texts = sum(len(route.encode()) + 5 for route in self.routes)
        return int(self.begins.nbytes + self.histograms.nbytes) + columns + texts + 256


def _column(data: Any, kind: str, rows: int) -> Array:
    if data is None:
        return np.zeros(rows, kind)
    column = np.frombuffer(data, kind)
    if len(column) != rows:
        raise ValueError(f"{len(column)} requests, not {rows}")
    return column
