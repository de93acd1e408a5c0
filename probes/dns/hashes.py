"""Hashes of names and keys, whole columns at a time; seeded at random: nobody can choose names that collide."""

import os
from typing import Final

import numpy as np

from model.arrays import Array

#: 64-bit words of the longest name.
WORDS: Final = 32
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)
_SEEDS: Final = np.frombuffer(os.urandom(8 * (WORDS + 1)), np.uint64)
_ODD: Final = np.frombuffer(os.urandom(8 * (WORDS + 1)), np.uint64) | np.uint64(1)
#: Hashes below are none of names.
FIRST_HASH: Final = 2


def seeds() -> bytes:
    """As programs of the kernel have them: ``struct dns_seeds``."""
    return _SEEDS.tobytes() + _ODD.tobytes()


def mixed(words: Array) -> np.ndarray:
    """64-bit words whose every bit depends on every bit of what they were made of; same shape."""
    found = words.astype(np.uint64)
    for _ in range(2):
        found ^= found >> np.uint64(33)
        found *= _MIX
    found ^= found >> np.uint64(32)
    return found


def hashed_bytes(texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """A hash of the first bytes of each row; shape (n,), uint64.

    :param texts: uint8, shape (n, a multiple of 8); changed: what is behind is cleared.
    :param lengths: how many bytes of each row count.
    """
    texts[np.arange(texts.shape[1])[None, :] >= lengths[:, None]] = 0
    words = np.ascontiguousarray(texts).view(np.uint64)
    count = words.shape[1]
    parts = mixed(words + _SEEDS[:count]) * _ODD[:count]
    parts[8 * np.arange(count)[None, :] >= lengths[:, None]] = 0  # whatever room there is behind
    found = parts.sum(1, dtype=np.uint64)
    found = mixed(found + _ODD[WORDS] * lengths.astype(np.uint64))
    hashes: np.ndarray = np.maximum(found, np.uint64(FIRST_HASH))
    return hashes


def hashed_columns(*columns: Array) -> np.ndarray:
    """A number for each row; rows of which one column differs have other ones. Shape (n,), uint64."""
    found = np.zeros(len(columns[0]), np.uint64)
    for place, column in enumerate(columns):
        found = mixed(found + column.astype(np.uint64) + _SEEDS[place])
    return found
