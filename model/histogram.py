"""Exponential histograms as OpenTelemetry has them, sparse: whole columns of values in, merged by adding counts.

Bucket i holds values above ``BASE ** i`` up to ``BASE ** (i + 1)``, the upper bound included (OpenTelemetry metrics
data model, ExponentialHistogram).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

#: Buckets for each power of two: 2 ** SCALE.
SCALE: Final = 3
#: The ratio of a bucket's bounds, 1.09.
BASE: Final = 2.0**2.0**-SCALE

_PARTS: Final = 1 << SCALE
#: Buckets that whole numbers below 2 ** 64 fall into: -1 (the number 1) to 511.
_BUCKETS: Final = 64 * _PARTS + 1
#: Cells of a table of sums up to which it is made however empty it is.
_CELLS: Final = 1 << 18


def _bound(part: int) -> float:
    """The largest float not above ``BASE ** part``: the root of a whole number of 53 bits, rounded down."""
    power = 1 << (part + 52 * _PARTS)
    for _ in range(SCALE):
        power = math.isqrt(power)
    return power / (1 << 52)


#: The bounds in [1, 2), as the 52 bits of a float's fraction: ascending, the first is 0.
_BOUNDS: Final = np.array([_bound(part) for part in range(_PARTS)]).view(np.int64) & (1 << 52) - 1
#: Equal parts of [1, 2), small enough that none holds two bounds: by the first bits of the fraction.
_CELL_BITS: Final = 6
_CELL_BEGINS: Final = np.arange(1 << _CELL_BITS) << 52 - _CELL_BITS
#: By cell: the part of a power of two that it begins in, and the fraction above which the next part begins.
_PART: Final = np.searchsorted(_BOUNDS, _CELL_BEGINS) - 1
_NEXT: Final = np.append(_BOUNDS, 1 << 52)[_PART + 1]


def bucket_of(values: np.ndarray) -> np.ndarray:
    """The bucket of each value; exact for whole numbers up to 2 ** 53, after which floats lie further apart.

    :param values: at least 1; shape (n,).
    :return: shape (n,), int64.
    """
    bits = values.astype(np.float64).view(np.int64)
    cells = bits >> 52 - _CELL_BITS & (1 << _CELL_BITS) - 1
    buckets: np.ndarray = (bits >> 52) - 1023  # the exponent
    buckets *= _PARTS
    buckets += _PART[cells]  # -1 for the power of two itself: it ends the bucket below
    buckets += (bits & (1 << 52) - 1) > _NEXT[cells]
    return buckets


@dataclass(frozen=True)
class Histogram:
    """One of them.

    :param counts: bucket → how many values it holds, of any order.
    """

    counts: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Values in all buckets."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float:
        """What ``share`` of the values do not exceed (nearest rank), within the root of ``BASE``; 0 if empty."""
        left = max(1, math.ceil(share * self.count))
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return float(BASE ** (bucket + 0.5))
        return 0.0

    def as_dict(self) -> dict[str, Any]:
        """As rows have it: the buckets that hold something, in order, and what they hold."""
        buckets = sorted(self.counts)
        return {"scale": SCALE, "buckets": buckets, "counts": [self.counts[bucket] for bucket in buckets]}


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of all their values."""
    counts: Counter[int] = Counter()
    for histogram in histograms:
        counts.update(histogram.counts)
    return Histogram(dict(counts))


@dataclass(frozen=True)
class Histograms:
    """A table of histograms in columns; the first is empty.

    :param begins: where the buckets of each one begin, and the end of the last; shape (histograms + 1,), int64.
    :param buckets: of all, one after the other, ascending in each; ``counts`` beside them; int64.
    """

    begins: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    buckets: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, numbers: np.ndarray, values: np.ndarray, histograms: int) -> "Histograms":
        """Each value goes into the histogram of its number, 1 to ``histograms`` - 1; those that are 0 into none."""
        there = np.flatnonzero(values)
        keys = numbers[there].astype(np.int64) * _BUCKETS + bucket_of(values[there]) + 1
        held, counts = np.unique(keys, return_counts=True)
        begins = np.searchsorted(held, np.arange(histograms + 1) * _BUCKETS)
        return cls(begins, held % _BUCKETS - 1, counts)

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, number: int) -> Histogram:
        part = slice(int(self.begins[number]), int(self.begins[number + 1]))
        return Histogram(dict(zip(self.buckets[part].tolist(), self.counts[part].tolist(), strict=True)))

    def take(self, numbers: np.ndarray) -> "Histograms":
        """The table of these alone, in this order; the first of them is the empty one."""
        lengths = self.begins[numbers + 1] - self.begins[numbers]
        begins = np.concatenate(([0], np.cumsum(lengths)))
        there = numbers[lengths != 0]
        if len(there) and (there[1:] > there[:-1]).all():
            first, last = int(self.begins[there[0]]), int(self.begins[there[-1] + 1])
            if last - first == begins[-1]:  # those in between are empty
                return Histograms(begins, self.buckets[first:last], self.counts[first:last])
        places = np.repeat(self.begins[numbers] - begins[:-1], lengths) + np.arange(int(begins[-1]))
        return Histograms(begins, self.buckets[places], self.counts[places])

    @classmethod
    def joined(cls, tables: Sequence["Histograms"]) -> tuple["Histograms", list[int]]:
        """One table of all, and by how much indices (but 0) into each of them grow."""
        shifts = np.cumsum([0, *(len(table) - 1 for table in tables)])[:-1].tolist()
        lengths = [np.diff(table.begins)[1:] for table in tables]
        begins = np.concatenate((np.zeros(2, np.int64), np.cumsum(np.concatenate(lengths))))
        parts = [np.concatenate([getattr(table, name) for table in tables]) for name in ("buckets", "counts")]
        return cls(begins, *parts), shifts

    def summed(self, groups: np.ndarray, count: int) -> "Histograms":
        """The sums of those of each group.

        :param groups: of each histogram of the table; 0: of none. Shape (len,).
        :param count: of groups, with that of none, which is the empty one.
        """
        lengths = np.diff(self.begins)
        mine = np.flatnonzero((groups != 0) & (lengths != 0))
        lowest, spans = self._ranges(groups[mine], mine, count)
        ends = np.cumsum(spans)
        held = np.repeat(groups, lengths)
        wanted = held != 0
        if ends[-1] > _CELLS + 4 * len(held):
            return self._summed_sorted(held[wanted], wanted, count)
        cells = (ends - spans - lowest)[held[wanted]] + self.buckets[wanted]
        sums = np.bincount(cells, self.counts[wanted], int(ends[-1]))
        cells = np.flatnonzero(sums)
        buckets = cells - np.repeat(ends - spans - lowest, spans)[cells]
        begins = np.searchsorted(cells, np.concatenate(([0], ends)))
        return Histograms(begins, buckets, sums[cells].astype(np.int64))

    def _ranges(self, groups: np.ndarray, mine: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The lowest bucket of each group, and how many lie from it to the highest; 0 where there is none."""
        lowest, highest = np.full(count, _BUCKETS), np.full(count, -2)
        np.minimum.at(lowest, groups, self.buckets[self.begins[mine]])
        np.maximum.at(highest, groups, self.buckets[self.begins[mine + 1] - 1])
        spans = np.maximum(highest - lowest + 1, 0)
        return lowest, spans

    def _summed_sorted(self, held: np.ndarray, wanted: np.ndarray, count: int) -> "Histograms":
        """``summed`` where few of very different values would take a table of mostly nothing."""
        keys, same = np.unique(held * _BUCKETS + self.buckets[wanted] + 1, return_inverse=True)
        counts = np.bincount(same, self.counts[wanted], len(keys)).astype(np.int64)
        begins = np.searchsorted(keys, np.arange(count + 1) * _BUCKETS)
        return Histograms(begins, keys % _BUCKETS - 1, counts)

    def quantiles(self, share: float) -> np.ndarray:
        """Of each one what ``Histogram.quantile`` says; float64."""
        running = np.concatenate(([0], np.cumsum(self.counts)))
        before, after = running[self.begins[:-1]], running[self.begins[1:]]
        ranks = np.maximum(1, np.ceil(share * (after - before))).astype(np.int64)
        places = np.searchsorted(running[1:], before + ranks)
        held = after > before
        found: np.ndarray = np.zeros(len(self))
        found[held] = BASE ** (self.buckets[places[held]] + 0.5)
        return found

    def encode(self) -> dict[str, bytes]:
        """As it stands in a message: three arrays of 64-bit numbers."""
        return {name: getattr(self, name).astype("<i8").tobytes() for name in _ARRAYS}

    @classmethod
    def decode(cls, message: Mapping[str, memoryview]) -> "Histograms":
        """What ``encode`` gave.

        :raises ValueError: if the arrays disagree.
        """
        begins, buckets, counts = (np.frombuffer(message.get(name, b""), "<i8") for name in _ARRAYS)
        if not len(begins):
            return cls()
        if begins[0] != 0 or (np.diff(begins) < 0).any() or not begins[-1] == len(buckets) == len(counts):
            raise ValueError(f"histograms of {begins[-1]} buckets in all, and {len(buckets)} buckets")
        return cls(begins, buckets, counts)

    @property
    def nbytes(self) -> int:
        """Bytes in a message."""
        return int(self.begins.nbytes + self.buckets.nbytes + self.counts.nbytes)


_ARRAYS: Final = ("begins", "buckets", "counts")
