"""What is remembered of edges and nodes: columns, sorted by id, which can be written and read again."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack
import numpy as np

_VERSION: Final = 1

#: For each symptom of each edge.
SERIES: Final = {
    "bad": "<f4",  # the baseline: decayed sums
    "total": "<f4",
    "dispersion": "<f2",  # by how much counts vary more than coins do; 0: not known
    "evidence": "<f2",  # that it is ill, in nats
    "bad_since": "<u2",  # since the evidence left 0, as far as ``total_since`` goes
    "total_since": "<u2",
    "since": "<u2",  # the tick at which it left 0, its last 16 bits
    "streak": "u1",  # ticks that spoke for it; while it is a finding (ILL): ticks at rest
}
#: For each edge.
EDGES: Final = {
    "age": "u1",  # ticks with traffic
    "silent": "<u2",  # ticks without
    "longest": "<u2",  # such silence that ended
    "active": "<f2",  # share of ticks with traffic, of late
    "level": "<f4",  # habit of traffic, and how far from it is usual; log2 of bytes
    "spread": "<f4",
    "marks": "u1",  # ticks far off the habit; GONE: it vanished
}
#: Columns of some series, by name.
Series = dict[str, np.ndarray]
ILL: Final = np.uint8(0x80)
GONE: Final = np.uint8(0x80)


class Memory:
    """The columns.

    :ivar ids: ascending; uint64.
    :ivar series: by name, shape (edges, symptoms).
    :ivar edges: by name, shape (edges,).
    """

    def __init__(self, symptoms: Sequence[str]) -> None:
        self.symptoms = tuple(symptoms)
        self.ids = np.zeros(0, np.uint64)
        self.series = {name: np.zeros((0, len(symptoms)), dtype) for name, dtype in SERIES.items()}
        self.edges = {name: np.zeros(0, dtype) for name, dtype in EDGES.items()}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Of all columns."""
        return int(self.ids.nbytes + sum(c.nbytes for c in (*self.series.values(), *self.edges.values())))

    def has(self, ids: np.ndarray) -> np.ndarray:
        """Whether each of these is remembered; bool."""
        if not len(self.ids):
            return np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: np.ndarray = self.ids[places] == ids
        return found

    def add(self, new: np.ndarray) -> None:
        """Room for these, ascending, none of which is there."""
        if len(new):
            places = np.searchsorted(self.ids, new)
            self.ids = np.insert(self.ids, places, new)
            for columns in (self.series, self.edges):
                columns.update({name: np.insert(c, places, 0, axis=0) for name, c in columns.items()})

    def keep(self, rows: np.ndarray) -> None:
        """Forgets all but those of a mask."""
        self.ids = self.ids[rows]
        for columns in (self.series, self.edges):
            columns.update({name: column[rows] for name, column in columns.items()})

    def encode(self, rows: np.ndarray | None = None) -> bytes:
        """Those of a mask, or all, as bytes."""
        chosen = slice(None) if rows is None else rows
        packed: bytes = msgpack.packb(
            {
                "v": _VERSION,
                "ids": self.ids[chosen].astype("<u8").tobytes(),
                "symptoms": self.symptoms,
                "series": {name: column[chosen].tobytes() for name, column in self.series.items()},
                "edges": {name: column[chosen].tobytes() for name, column in self.edges.items()},
            }
        )
        return packed

    def adopt(self, data: bytes) -> int:
        """Takes over what ``encode`` gave, but for ids that are here; symptoms go by their names.

        :return: how many.
        :raises ValueError: if it cannot be read.
        """
        try:
            told: Mapping[str, Any] = msgpack.unpackb(data)
            version = told["v"]
            ids = np.frombuffer(told["ids"], "<u8")
            names = list(told["symptoms"])
            series = {
                name: np.frombuffer(told["series"][name], dtype).reshape(len(ids), len(names))
                for name, dtype in SERIES.items()
            }
            edges = {
                name: np.frombuffer(told["edges"][name], dtype).reshape(len(ids))
                for name, dtype in EDGES.items()
            }
        except (KeyError, TypeError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"bytes that are no state of a detector: {error}") from error
        if version != _VERSION:
            raise ValueError(f"a detector's state of version {version}; this program reads {_VERSION}")
        if (ids[1:] <= ids[:-1]).any():
            raise ValueError("ids of a detector's state that are not ascending")
        new = ~self.has(ids)
        self.add(ids[new])
        rows = np.searchsorted(self.ids, ids[new])
        for name, column in edges.items():
            self.edges[name][rows] = column[new]
        for place, symptom in enumerate(self.symptoms):
            if symptom in names:
                for name, values in series.items():
                    self.series[name][rows, place] = values[new, names.index(symptom)]
        return int(np.count_nonzero(new))
