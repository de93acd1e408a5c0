"""Texts that match patterns as a shell has them, alone and in columns of 16 bytes."""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Final

import numpy as np

from model.arrays import Array
from model.filter.view import Mask
from model.globs import check_glob

_SPECIAL: Final = re.compile(r"[*?\[]")


def text_test(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches; upper and lower case differ.

    :raises ValueError: if it is no pattern.
    """
    check_glob(pattern)
    if not _SPECIAL.search(pattern):
        return lambda text: text == pattern
    matches = re.compile(translate(pattern)).match
    return lambda text: matches(text) is not None


def column_test(pattern: str) -> Callable[[Array], Mask]:
    """The same of a column of texts that are padded with zeros; an empty one, which is not known, never matches.

    :raises ValueError: if it is no pattern.
    """
    check_glob(pattern)
    raw = pattern.encode()
    if not _SPECIAL.search(pattern):
        return _begins(raw, len(raw) + 1)
    if len(raw) > 1 and pattern.endswith("*") and not _SPECIAL.search(pattern[:-1]):
        return _begins(raw[:-1], len(raw) - 1)
    test = text_test(pattern)

    def among(column: Array) -> Mask:
        """What is the same in many rows is asked once."""
        texts = column.tolist()
        hits = {text: bool(text) and test(text.decode(errors="replace")) for text in set(texts)}
        return np.fromiter(map(hits.__getitem__, texts), np.bool_, len(texts))

    return among


def _begins(raw: bytes, length: int) -> Callable[[Array], Mask]:
    """Which texts begin with ``raw``, padded with zeros to ``length`` bytes."""

    def begins(column: Array) -> Mask:
        size = column.dtype.itemsize
        if len(raw) > size:
            return np.zeros(len(column), np.bool_)
        column = np.ascontiguousarray(column)
        wanted, width = raw.ljust(size, b"\0"), min(length, size)
        if size % 8:
            whole = column.view(np.uint8).reshape(len(column), size)[:, :width]
            return np.asarray((whole == np.frombuffer(wanted, np.uint8)[:width]).all(axis=1))
        mask = b"\xff" * width + bytes(size - width)
        return bytes_match(column, wanted, mask)

    return begins


def bytes_match(column: Array, wanted: bytes, mask: bytes) -> Mask:
    """Which values are these bytes under the mask, a multiple of 8 long; 64 bits at a time."""
    bits, masks = np.frombuffer(wanted, "<u8"), np.frombuffer(mask, "<u8")
    words = np.ascontiguousarray(column).view("<u8").reshape(len(column), len(masks))
    found = np.ones(len(column), np.bool_)
    for place in np.flatnonzero(masks):
        found &= (words[:, place] & masks[place]) == (bits[place] & masks[place])
    return found
