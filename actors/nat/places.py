"""Places of a table whose entries end: free ones first, then those of entries that ended, the first ones first."""

import numpy as np


class NatPlaces:
    """``places`` places, all of them free; arrays only, so that nothing is ever rebuilt.

    :param first: the number of the first; the others follow.
    """

    def __init__(self, places: int, first: int = 0) -> None:
        self._begin = first
        self._free = np.arange(
            first + places - 1, first - 1, -1, dtype=np.int32
        )  # the last ones are taken first
        self._free_count = places
        self._ended = np.zeros(places, np.int32)  # a ring
        self._waits = np.zeros(
            places, np.bool_
        )  # in the ring: once, also if it ended, came again and ended again
        self._order = np.zeros(places, np.int32)  # during ``end``
        self._first = self._ended_count = 0

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._free_count

    def __len__(self) -> int:
        return len(self._free) - self._free_count

    def has(self, places: np.ndarray) -> np.ndarray:
        """Which places are of these; shape (n,), bool."""
        found: np.ndarray = (places >= self._begin) & (places < self._begin + len(self._free))
        return found

    def take(self, count: int) -> np.ndarray:
        """So many free places, fewer if there are not enough; int32."""
        count = min(count, self._free_count)
        self._free_count -= count
        places: np.ndarray = self._free[self._free_count : self._free_count + count][::-1].copy()
        return places

    def end(self, places: np.ndarray) -> None:
        """What stands at these places has ended; one may be named twice."""
        places = places[~self._waits[places - self._begin]]
        order = np.arange(len(places), dtype=np.int32)
        self._order[places - self._begin] = order
        places = places[self._order[places - self._begin] == order]
        self._waits[places - self._begin] = True
        begin = (self._first + self._ended_count) % len(self._ended)
        until_end = min(len(places), len(self._ended) - begin)
        self._ended[begin : begin + until_end] = places[:until_end]
        self._ended[: len(places) - until_end] = places[until_end:]
        self._ended_count += len(places)

    def first_ended(self, count: int) -> np.ndarray:
        """At most so many places that ended first, also of what came again meanwhile; they wait no more; int32."""
        count = min(count, self._ended_count)
        end = self._first + count
        places = np.concatenate(
            (self._ended[self._first : end], self._ended[: max(0, end - len(self._ended))])
        )
        self._first = end % len(self._ended)
        self._ended_count -= count
        self._waits[places - self._begin] = False
        return places

    def give_back(self, places: np.ndarray) -> None:
        """Nobody has these any more."""
        self._free[self._free_count : self._free_count + len(places)] = places
        self._free_count += len(places)
