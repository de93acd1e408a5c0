"""Identifiers that follow from what they name, so that they stay, and are the same in every store."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from model.kinds.workload import Workload

#: Names that are remembered at once; past it all are forgotten, and made again when they come.
_REMEMBERED: Final = 1 << 18
#: Ids are whole numbers that floats of 64 bits hold exactly: readers of JSON have no others.
_ID_BITS: Final = 53
_EDGE_BITS: Final = 63

_MULTIPLIERS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def text_id(parts: Sequence[str], salt: int = 0) -> int:
    """Of what these texts name; above 0."""
    text = "\0".join(parts).encode(errors="surrogatepass")
    number = int.from_bytes(blake2b(text, digest_size=8, salt=salt.to_bytes(8, "little")).digest(), "little")
    return max(1, number & (1 << _ID_BITS) - 1)


def edge_ids(
    clients: np.ndarray, servers: np.ndarray, ports: np.ndarray, transports: np.ndarray
) -> np.ndarray:
    """Of edges; above 0, int64.

    Two of a million edges have the same id with a probability of 1 in 20 million.

    :param clients: ids of workloads; ``servers`` likewise.
    """
    return mixed_ids(clients, servers, ports.astype(np.uint64) << np.uint64(8) | transports.astype(np.uint64))


def mixed_ids(*parts: np.ndarray) -> np.ndarray:
    """An id for each row of some columns of numbers; above 0, int64."""
    mixed = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        mixed = _mixed(mixed ^ part.astype(np.uint64))
    ids = mixed & np.uint64((1 << _EDGE_BITS) - 1)
    return np.maximum(ids.astype(np.int64), 1)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = values + _STEP
    values = (values ^ values >> np.uint64(30)) * _MULTIPLIERS[0]
    values = (values ^ values >> np.uint64(27)) * _MULTIPLIERS[1]
    found: np.ndarray = values ^ values >> np.uint64(31)
    return found


class Names:
    """Ids of texts that name something, made once for each; two that would have the same get different ones."""

    def __init__(self) -> None:
        self._ids: dict[Sequence[str], int] = {}
        self._taken: set[int] = set()

    def ids(self, names: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Of each; int64."""
        try:
            found = list(map(self._ids.__getitem__, names))
        except KeyError:
            found = list(map(self._id, names))
        return np.array(found, np.int64)

    def _id(self, name: tuple[str, ...]) -> int:
        known = self._ids.get(name)
        if known is None:
            if len(self._ids) >= _REMEMBERED:
                self._ids.clear()
                self._taken.clear()
            known, salt = text_id(name), 0
            while known in self._taken:
                salt += 1
                known = text_id(name, salt)
            self._ids[name] = known
            self._taken.add(known)
        return known


#: The workload that stands for all others has this id.
OTHER_ID: Final = text_id(Workload("", "other"))
