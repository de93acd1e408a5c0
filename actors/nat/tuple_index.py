"""An index of tuples, whole columns at a time: which places of a table hold these keys, the newest first.

A hash table with chains in arrays: a look-up of a hundred thousand keys is a handful of numpy calls, an entry is 64
bytes, and nothing is ever rehashed, so there is no pause.
"""

from typing import Final

import numpy as np

from model.addresses import loopback
from model.chains import HOP

#: A tuple and where it holds: everywhere (``node`` and ``netns`` 0), on one node, or in one network namespace of it.
KEY: Final = np.dtype(
    [
        ("hop", HOP),
        ("transport", "<u4"),
        ("netns", "<u4"),
        ("node", "<u4"),
    ]
)
_WORDS: Final = KEY.itemsize // 8
_MULTIPLIERS: Final = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
    ],
    np.uint64,
)
NOWHERE: Final = -1


def make_keys(
    hops: np.ndarray, transport: np.ndarray | int, netns: np.ndarray, node: np.ndarray | int = 0
) -> np.ndarray:
    """Keys of tuples; those with a loopback address hold only in their network namespace of their node.

    :param hops: ``HOP``; shape (n,).
    :return: ``KEY``; shape (n,).
    """
    keys = np.zeros(len(hops), KEY)
    keys["hop"].view("V36")[...] = hops.view("V36") if hops.flags.contiguous else hops.copy().view("V36")
    keys["transport"] = transport
    local = loopback(hops["source_address"]) | loopback(hops["destination_address"])
    if local.any():
        keys["netns"] = np.where(local, netns, 0)
        keys["node"] = np.where(local, node, 0)
    return keys


def mixed(words: np.ndarray) -> np.ndarray:
    """A hash of each row of 64-bit words (multiply and add, then MurmurHash3's finalizer); shape (n,), uint64."""
    values: np.ndarray = words @ _MULTIPLIERS[: words.shape[1]]
    words = words ^ words >> np.uint64(29)
    values ^= words @ np.ascontiguousarray(_MULTIPLIERS[::-1][: words.shape[1]])
    values = (values ^ values >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ values >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    hashed: np.ndarray = values ^ values >> np.uint64(33)
    return hashed


class TupleIndex:
    """Places 0 to ``capacity`` - 1 of somebody's table, by key; several places may have the same key."""

    def __init__(self, capacity: int) -> None:
        buckets = 1 << max(4, int(capacity * 1.5).bit_length())
        self._mask = np.uint64(buckets - 1)
        # Links hold the place plus 1, and 0 for none: what was never used is never touched, and takes no memory.
        self._head = np.zeros(buckets, np.int32)
        self._next = np.zeros(capacity, np.int32)
        self._previous = np.zeros(capacity, np.int32)
        self._bucket = np.zeros(capacity, np.int32)
        self._keys = np.zeros((capacity, _WORDS), np.uint64)  # touched, and so there, only where used
        self._going = np.zeros(capacity, np.bool_)  # during ``remove``

    def keys(self, places: np.ndarray) -> np.ndarray:
        """What these places have been added under; ``KEY``."""
        return self._words_of(places).view(KEY).reshape(-1)

    def add(self, places: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Puts places, none of which is in the index, under their keys: later ones count as newer.

        :return: hashes of the keys; shape (n,), uint64.
        """
        words, hashes = _words(keys), hashed(keys)
        if len(places):
            self._keys.view("V48")[places, 0] = words.view("V48")[:, 0]
            self._link(places, (hashes & self._mask).astype(np.int32))
        return hashes

    def _link(self, places: np.ndarray, buckets: np.ndarray) -> None:
        self._bucket[places] = buckets
        order = buckets.astype(np.int64) << 32 | np.arange(len(buckets))
        order.sort()  # as a stable argsort gives it, in a tenth of its time
        order &= 0xFFFFFFFF
        places, buckets = places[order].astype(np.int32), buckets[order]
        begins = np.flatnonzero(np.diff(buckets, prepend=-1))
        ends = np.append(begins[1:], len(buckets)) - 1
        links = places + 1
        older = np.empty(len(places), np.int32)
        older[1:] = links[:-1]
        older[begins] = self._head[buckets[begins]]
        self._next[places] = older
        below = older > 0
        self._previous[older[below] - 1] = links[below]
        self._previous[places[ends]] = 0
        self._head[buckets[ends]] = links[ends]

    def remove(self, places: np.ndarray) -> None:
        """Takes places out."""
        self._going[places] = True
        before = self._previous[places] - 1
        first = (before < 0) | ~self._going[before]  # of neighbours in a chain that go together
        begins, before = places[first], before[first]
        after = self._staying(self._next[begins] - 1)
        heads = before < 0
        self._head[self._bucket[begins[heads]]] = after[heads] + 1
        self._next[before[~heads]] = after[~heads] + 1
        follows = after >= 0
        self._previous[after[follows]] = before[follows] + 1
        self._going[places] = False

    def _staying(self, places: np.ndarray) -> np.ndarray:
        """From ``places`` on along their chains to the first that does not go."""
        rows = np.flatnonzero((places >= 0) & self._going[places])
        while len(rows):
            places[rows] = self._next[places[rows]] - 1
            rows = rows[places[rows] >= 0]
            rows = rows[self._going[places[rows]]]
        return places

    def newest(self, keys: np.ndarray, hashes: np.ndarray | None = None) -> np.ndarray:
        """The place added last under each key, or NOWHERE; shape (n,), int32.

        :param hashes: of the keys, where they are known.
        """
        words = _words(keys)
        found = mixed(words) if hashes is None else hashes
        return self._walk(self._head[(found & self._mask).astype(np.int64)] - 1, words)

    def older(self, places: np.ndarray) -> np.ndarray:
        """The place added before each of these under the same key, or NOWHERE; shape (n,), int32."""
        return self._walk(self._next[places] - 1, self._words_of(places))

    def _walk(self, places: np.ndarray, words: np.ndarray) -> np.ndarray:
        """From ``places`` on along their chains to the first with these words."""
        found = places.astype(np.int32, copy=True)
        rows = np.flatnonzero(found >= 0)
        while len(rows):
            here = found[rows]
            others = np.flatnonzero(_differ(self._words_of(here), words, rows))
            if not len(others):
                break
            rows, here = rows[others], here[others]
            found[rows] = self._next[here] - 1
            rows = rows[found[rows] >= 0]
        return found

    def _words_of(self, places: np.ndarray) -> np.ndarray:
        return self._keys.take(places, axis=0)


def hashed(keys: np.ndarray) -> np.ndarray:
    """A hash of each key; shape (n,), uint64."""
    return mixed(_words(keys))


def _differ(some: np.ndarray, words: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where ``some`` are others than those of ``words`` in ``rows``; shape (m,), bool."""
    differ = some ^ (words if len(rows) == len(words) else words.take(rows, axis=0))
    found: np.ndarray = differ[:, 0]
    for column in range(1, _WORDS):
        found |= differ[:, column]
    others: np.ndarray = found != 0
    return others


def _words(keys: np.ndarray) -> np.ndarray:
    words: np.ndarray = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, _WORDS)
    return words
