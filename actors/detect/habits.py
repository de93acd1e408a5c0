"""What is slow: values above 1.5 times the 95th percentile of the same pair in the same zones, as it is learnt.

A stratum is an edge between two zones: when traffic moves to another zone, nobody got slower.
"""

from typing import Any, Final

import msgpack
import numpy as np

from model.histogram import SCALE, Histograms

#: Slow is above the habit times 1.5, as a power of two.
_SLOW: Final = np.log2(1.5)
#: The share that is above the habit; values after which it is one.
_ABOVE: Final = 0.05
_WARM: Final = 200.0
#: Strata remembered at most.
LIMIT: Final = 400_000
#: Of these so many outlive a restart, those that were seen most: 1.6 megabytes.
KEPT: Final = 100_000
_VERSION: Final = 1


class Habits:
    """The 95th percentile of each stratum, found by steps (Robbins and Monro), 16 bytes each.

    :ivar forgotten: strata beyond ``limit`` so far: those that were seen least.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._ids = np.zeros(0, np.uint64)
        self._level = np.zeros(0, np.float32)  # log2 of nanoseconds
        self._seen = np.zeros(0, np.float32)
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, most: int = KEPT) -> bytes:
        """Those that are habits by now, for a restart; so many at most."""
        rows = np.flatnonzero(self._seen > _WARM)
        if len(rows) > most:
            rows = np.sort(rows[np.argpartition(self._seen[rows], -most)[-most:]])
        columns: dict[str, np.ndarray] = {"ids": self._ids, "level": self._level, "seen": self._seen}
        told: bytes = msgpack.packb(
            {"v": _VERSION, **{name: column[rows].tobytes() for name, column in columns.items()}}
        )
        return told

    def adopt(self, data: bytes) -> None:
        """Goes on with what ``encode`` gave, in place of what was learnt so far.

        :raises ValueError: if it cannot be read.
        """
        try:
            told: Any = msgpack.unpackb(data)
            version = told["v"]
            ids = np.frombuffer(told["ids"], np.uint64)
            level, seen = (np.frombuffer(told[name], np.float32) for name in ("level", "seen"))
        except (KeyError, TypeError, ValueError, msgpack.UnpackException) as error:
            raise ValueError(f"bytes that are no habits of slowness: {error}") from error
        if version != _VERSION or not len(ids) == len(level) == len(seen) or (ids[1:] <= ids[:-1]).any():
            raise ValueError(f"habits of slowness of another form (version {version})")
        if not (np.isfinite(level).all() and np.isfinite(seen).all()):
            raise ValueError("habits of slowness that are no numbers")
        self._ids, self._level, self._seen = ids.copy(), level.copy(), seen.copy()
        self._bound()

    def counts(
        self, strata: np.ndarray, numbers: np.ndarray, histograms: Histograms, learn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """How many values of each row are slow, and how many there are; none of both before the habit is known.

        :param strata: of each row; shape (n,), uint64.
        :param numbers: of each row's histogram; 0 is empty.
        :param learn: False for rows that teach nothing: they are ill.
        """
        ids, same = np.unique(strata, return_inverse=True)
        begins, ends = histograms.begins[numbers], histograms.begins[numbers + 1]
        lengths = ends - begins
        row = np.repeat(np.arange(len(strata)), lengths)
        cells = np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(len(row))
        value = (histograms.buckets[cells] + 0.5) / (1 << SCALE)
        count = histograms.counts[cells].astype(np.float64)
        total = np.bincount(row, count, len(strata))
        places = self._places(ids, same[row], value, count)
        level = self._level[places[same[row]]]
        warm = self._seen[places] > _WARM
        slow = np.bincount(row, count * (value > level + _SLOW), len(strata)) * warm[same]
        above = np.bincount(same[row], count * (value > level) * learn[row], len(ids))
        self._learn(places, above, np.bincount(same[row], count * learn[row], len(ids)))
        self._bound()
        return slow, total * warm[same]

    def _places(self, ids: np.ndarray, of: np.ndarray, value: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Where these strata are; new ones begin above the mean of their first values."""
        places = np.searchsorted(self._ids, ids)
        here = np.zeros(len(ids), np.bool_)
        if len(self._ids):
            here = self._ids[np.minimum(places, len(self._ids) - 1)] == ids
        if not here.all():
            total = np.maximum(np.bincount(of, count, len(ids)), 1)
            mean = np.bincount(of, count * value, len(ids)) / total
            at = places[~here]
            self._ids = np.insert(self._ids, at, ids[~here])
            self._level = np.insert(self._level, at, (mean + 0.5)[~here])
            self._seen = np.insert(self._seen, at, 0)
        return np.searchsorted(self._ids, ids)

    def _learn(self, places: np.ndarray, above: np.ndarray, total: np.ndarray) -> None:
        gain = 0.4 / (1 + self._seen[places] / 100) + 0.01
        move = gain * np.minimum(total / 20, 1) * (above / np.maximum(total, 1) - _ABOVE)
        self._level[places] += np.clip(move, -0.05, 0.2)
        self._seen[places] += total

    def _bound(self) -> None:
        excess = len(self._ids) - self._limit
        if excess > 0:
            kept = np.ones(len(self._ids), np.bool_)
            kept[np.argpartition(self._seen, excess)[:excess]] = False
            self._ids, self._level, self._seen = self._ids[kept], self._level[kept], self._seen[kept]
            self.forgotten += excess
