"""What is remembered of edges and nodes: columns, sorted by id, which can be written and read again.

A series is one symptom of one edge. Each has a baseline; only those that something is said against take memory for
evidence, which are few in normal life.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgpack
import numpy as np

_VERSION: Final = 2
#: Rows of all symptoms that are calculated at once.
_BLOCK: Final = 1024

#: Of each series.
BASELINE: Final = {
    "bad": "<f4",  # decayed sums
    "total": "<f4",
    "dispersion": "<f2",  # by how much counts vary more than coins do; 0: not known
}
#: Of series that something is said against.
EVIDENCE: Final = {
    "evidence": "<f2",  # that it is ill, in nats
    "bad_since": "<u2",  # since the evidence left 0, as far as ``total_since`` goes
    "total_since": "<u2",
    "since": "<u2",  # the tick at which it left 0, its last 16 bits
    "streak": "u1",  # ticks that spoke for it; while it is a finding (ILL): ticks at rest
    "unseen": "<u2",  # ticks that counted none of it, and were known to be whole
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

    A series is found by its place: that of its edge, times how many symptoms there are, and its symptom.

    :ivar ids: ascending; uint64.
    :ivar baseline: by name, shape (edges, symptoms).
    :ivar edges: by name, shape (edges,).
    :ivar doubted: places of the series that something is said against, ascending; shape (n,), int32.
    :ivar evidence: by name, shape (n,).
    """

    def __init__(self, symptoms: Sequence[str]) -> None:
        self.symptoms = tuple(symptoms)
        self.width = max(1, len(self.symptoms))
        self.ids: np.ndarray = np.zeros(0, np.uint64)
        self.baseline: Series = {
            name: np.zeros((0, len(self.symptoms)), dtype) for name, dtype in BASELINE.items()
        }
        self.edges: Series = {name: np.zeros(0, dtype) for name, dtype in EDGES.items()}
        self.doubted: np.ndarray = np.zeros(0, np.int32)
        self.evidence: Series = {name: np.zeros(0, dtype) for name, dtype in EVIDENCE.items()}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Of all columns."""
        columns = (*self.baseline.values(), *self.edges.values(), *self.evidence.values())
        return int(self.ids.nbytes + self.doubted.nbytes + sum(column.nbytes for column in columns))

    @property
    def ill(self) -> np.ndarray:
        """Places of series with findings, ascending."""
        return self.doubted[self.evidence["streak"] >= ILL]

    def has(self, ids: np.ndarray) -> np.ndarray:
        """Whether each of these is remembered; bool."""
        return found(self.ids, ids)[1]

    def series(self, places: np.ndarray, at_rest_since: int = 0) -> Series:
        """Baselines and evidence at these places.

        :param at_rest_since: what ``since`` says of those without evidence.
        """
        told = {name: column.take(places) for name, column in self.baseline.items()}
        known = np.flatnonzero(self._mask(self.doubted).take(places))
        at = np.searchsorted(self.doubted, places[known])
        for name, column in self.evidence.items():
            told[name] = np.full(len(places), at_rest_since & 0xFFFF if name == "since" else 0, column.dtype)
            told[name][known] = column.take(at)
        return told

    def _mask(self, places: np.ndarray) -> np.ndarray:
        """Of all series, which are these; bool. To look them up in it is faster than to search."""
        mask = np.zeros(len(self) * self.width, np.bool_)
        mask[places] = True
        return mask

    def put(self, places: np.ndarray, series: Series) -> None:
        """Remembers these series, that were counted now, in place of what was known of them.

        :param places: ascending, each once.
        """
        for name, column in self.baseline.items():
            column.reshape(-1)[places] = series[name]
        kept = np.flatnonzero(~self._mask(places).take(self.doubted))
        told = (series["evidence"] > 0) | (series["streak"] >= ILL)
        # evidence stays until ``drop_rested``: since when it was ill is told at its end
        new = np.flatnonzero(told | self._mask(self.doubted).take(places))
        doubted = np.concatenate((self.doubted[kept], places[new].astype(np.int32)))
        order = np.argsort(doubted, kind="stable")
        self.doubted = doubted[order]
        for name, column in self.evidence.items():
            values = np.zeros(len(new)) if name == "unseen" else series[name][new]
            both = np.concatenate((column[kept], values.astype(column.dtype)))
            self.evidence[name] = both[order]

    def count_unseen(self, heard: np.ndarray) -> None:
        """One more tick without counts, for all series with evidence; ``put`` takes it back.

        :param heard: edges whose silence is known to be one; bool, shape (edges,).
        """
        unseen = self.evidence["unseen"]
        unseen += heard[self.doubted // self.width] & (unseen < np.iinfo(np.uint16).max)

    def give_up(self, after: int) -> np.ndarray:
        """Places of findings of which nothing was counted for so many ticks, and which are none any more."""
        rows = np.flatnonzero((self.evidence["streak"] >= ILL) & (self.evidence["unseen"] >= after))
        self.evidence["streak"][rows] = 0
        return self.doubted[rows]

    def drop_rested(self) -> None:
        """Forgets the evidence of series that nothing is said against."""
        kept = np.flatnonzero((self.evidence["evidence"] > 0) | (self.evidence["streak"] >= ILL))
        if len(kept) < len(self.doubted):
            self.doubted = self.doubted.take(kept)
            self.evidence = {name: column.take(kept) for name, column in self.evidence.items()}

    def add(self, new: np.ndarray) -> None:
        """Room for these, ascending, none of which is there."""
        if len(new):
            rows = np.searchsorted(self.ids, new)
            self.ids = np.insert(self.ids, rows, new)
            for columns in (self.baseline, self.edges):
                columns.update({name: np.insert(c, rows, 0, axis=0) for name, c in columns.items()})
            moved = np.searchsorted(rows, self.doubted // self.width, side="right") * self.width
            self.doubted += moved.astype(np.int32)

    def keep(self, rows: np.ndarray) -> None:
        """Forgets all but those of a mask."""
        self.ids = self.ids[rows]
        for columns in (self.baseline, self.edges):
            columns.update({name: column[rows] for name, column in columns.items()})
        kept, self.doubted = self._renumbered(rows)
        self.evidence = {name: column[kept] for name, column in self.evidence.items()}

    def _renumbered(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which evidence belongs to rows of a mask, and its places among these alone."""
        row, symptom = np.divmod(self.doubted, np.int32(self.width))
        kept = rows[row]
        places = (np.cumsum(rows)[row] - 1) * self.width + symptom
        return kept, places[kept].astype(np.int32)

    def encode(self, rows: np.ndarray | None = None) -> bytes:
        """Those of a mask, or all, as bytes."""
        chosen = np.ones(len(self), np.bool_) if rows is None else rows
        kept, doubted = self._renumbered(chosen)

        def packed(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, bytes]:
            return {name: column[rows].tobytes() for name, column in columns.items()}

        told: bytes = msgpack.packb(
            {
                "v": _VERSION,
                "ids": self.ids[chosen].astype("<u8").tobytes(),
                "symptoms": self.symptoms,
                "baseline": packed(self.baseline, chosen),
                "edges": packed(self.edges, chosen),
                "doubted": doubted.astype("<i4").tobytes(),
                "evidence": packed(self.evidence, kept),
            }
        )
        return told

    def adopt(self, data: bytes) -> int:
        """Takes over what ``encode`` gave, but for ids that are here; symptoms go by their names.

        :return: how many.
        :raises ValueError: if it cannot be read.
        """
        told = _decoded(data)
        new = ~self.has(told.ids)
        self.add(told.ids[new])
        rows = np.searchsorted(self.ids, told.ids)
        for name, column in told.edges.items():
            self.edges[name][rows[new]] = column[new]
        named = {symptom: place for place, symptom in enumerate(self.symptoms)}
        here = np.array([named.get(symptom, -1) for symptom in told.symptoms], np.int64)
        for before, place in enumerate(here.tolist()):
            if place >= 0:
                for name, column in told.baseline.items():
                    self.baseline[name][rows[new], place] = column[new, before]
        row, symptom = np.divmod(told.doubted.astype(np.int64), told.width)
        taken = np.flatnonzero(new[row] & (here[symptom] >= 0))
        places = rows[row[taken]] * self.width + here[symptom[taken]]
        taken, places = taken[np.argsort(places)], np.sort(places)
        series = {name: column.reshape(-1)[places] for name, column in self.baseline.items()}
        self.put(places, series | {name: column[taken] for name, column in told.evidence.items()})
        return int(np.count_nonzero(new))


def blocks(count: int) -> Iterator[slice]:
    """So many rows, as many at once as the processor's cache holds with what is calculated of them."""
    return (slice(begin, min(begin + _BLOCK, count)) for begin in range(0, count, _BLOCK))


def found(sorted_: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of these would be, and whether it is there; int64 and bool.

    :param sorted_: ascending.
    """
    places = np.searchsorted(sorted_, wanted)
    if not len(sorted_):
        return places, np.zeros(len(wanted), np.bool_)
    here: np.ndarray = sorted_[np.minimum(places, len(sorted_) - 1)] == wanted
    return places, here


def _decoded(data: bytes) -> Memory:
    """What ``Memory.encode`` gave.

    :raises ValueError: if it is something else.
    """
    try:
        told: Mapping[str, Any] = msgpack.unpackb(data)
        version = told["v"]
        memory = _columns(_of_version_1(told) if version == 1 else told)
    except (KeyError, TypeError, ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"bytes that are no state of a detector: {error}") from error
    if version not in (1, _VERSION):
        raise ValueError(f"a detector's state of version {version}; this program reads {_VERSION}")
    if (memory.ids[1:] <= memory.ids[:-1]).any():
        raise ValueError("ids of a detector's state that are not ascending")
    places = memory.doubted
    if ((places < 0) | (places >= memory.baseline["total"].size)).any() or (places[1:] <= places[:-1]).any():
        raise ValueError("evidence of a detector's state that belongs to no series")
    return memory


def _columns(told: Mapping[str, Any]) -> Memory:
    memory = Memory(told["symptoms"])
    memory.ids = np.frombuffer(told["ids"], "<u8")
    memory.doubted = np.frombuffer(told["doubted"], "<i4")
    count = len(memory.ids)
    for columns, group, types, shape in (
        (memory.baseline, "baseline", BASELINE, (count, len(memory.symptoms))),
        (memory.edges, "edges", EDGES, (count,)),
        (memory.evidence, "evidence", EVIDENCE, (len(memory.doubted),)),
    ):
        for name, dtype in types.items():
            columns[name] = np.frombuffer(told[group][name], dtype).reshape(shape)
    return memory


def _of_version_1(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Evidence had as many rows as baselines."""
    names = EVIDENCE.keys() - {"unseen"}
    dense = {name: np.frombuffer(told["series"][name], EVIDENCE[name]) for name in names}
    doubted = np.flatnonzero((dense["evidence"] > 0) | (dense["streak"] >= ILL))
    dense["unseen"] = np.zeros(len(dense["streak"]), EVIDENCE["unseen"])
    return {
        **told,
        "baseline": told["series"],
        "doubted": doubted.astype("<i4").tobytes(),
        "evidence": {name: column[doubted].tobytes() for name, column in dense.items()},
    }
