"""Ids in place of values, so that columns hold them."""

from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

import numpy as np

from model.arrays import Array, compacted

#: Different values known at once, by default.
LIMIT: Final = 65536

Value = TypeVar("Value", bound=Hashable)


class Dictionary(Generic[Value]):
    """Ids of values, from 0, which is that of ``nothing``.

    :param limit: values at once; past it new ones get 0, counted in ``refused``, until ``release`` made room.
    :param reserve: ids that are left when it counts as full; an eighth of ``limit`` by default.
    :ivar values: by id; what stands at the place of an id that was given up has no meaning.
    :ivar refused: values that found no id, so far.
    """

    def __init__(self, nothing: Value, limit: int = LIMIT, reserve: int | None = None) -> None:
        self._limit = limit
        self._reserve = limit // 8 if reserve is None else reserve
        self._ids: dict[Value, int] = {nothing: 0}
        self._free: list[int] = []
        self.values: list[Value] = [nothing]
        self.refused = 0

    def __len__(self) -> int:
        """One more than the highest id."""
        return len(self.values)

    def __contains__(self, value: Value) -> bool:
        """Whether it has an id."""
        return value in self._ids

    def id(self, value: Value) -> int:
        """The id of this value."""
        known = self._ids.get(value)
        return self._new(value) if known is None else known

    def ids(self, values: Iterable[Value]) -> np.ndarray:
        """The ids of these values; uint32."""
        values = list(values)
        try:
            found = list(map(self._ids.__getitem__, values))
        except KeyError:  # some are new
            self._learn([value for value in dict.fromkeys(values) if value not in self._ids])
            found = [self._ids.get(value, 0) for value in values]
        return np.array(found, np.uint32)

    def _learn(self, new: list[Value]) -> None:
        """Gives ids to values that have none."""
        begin = len(self.values)
        if not self._free and begin + len(new) <= self._limit:
            self._ids.update(zip(new, range(begin, begin + len(new)), strict=True))
            self.values += new
            return
        for value in new:
            self._new(value)

    def _new(self, value: Value) -> int:
        if self._free:
            new = self._free.pop()
            self.values[new] = value
        elif len(self.values) < self._limit:
            new = len(self.values)
            self.values.append(value)
        else:
            self.refused += 1
            return 0
        self._ids[value] = new
        return new

    @property
    def full(self) -> bool:
        """Whether few new values would still find an id: time to ``release``."""
        return len(self._free) + self._limit - len(self.values) <= self._reserve

    def release(self, in_use: Array | None = None) -> list[int]:
        """Gives up, and returns, all ids but 0 and those ``in_use``."""
        kept = {0, *(() if in_use is None else in_use.tolist())}
        gone = [id_ for id_ in self._ids.values() if id_ not in kept]
        for id_ in gone:
            del self._ids[self.values[id_]]
        self._free += gone
        return gone

    def used(self, *columns: Array) -> tuple[list[np.ndarray], list[int]]:
        """Columns of ids renumbered without gaps, and the ids that the numbers stand for; 0 stays first."""
        renumbered, old = compacted(list(columns), len(self.values))
        return renumbered, old.tolist()
