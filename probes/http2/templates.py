"""Paths as the kernel folds them (bpf/http/path.h says which segments become ``*``), many at once. Pure."""

import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

import numpy as np

_SIZES: Final = dict(
    re.findall(r"#define (\w+_BYTES) (\d+)", resources.files("bpf").joinpath("http/maps.h").read_text())
)
#: Characters of a path that are looked at; of a longer one the last segment is folded.
PATH_BYTES: Final = int(_SIZES["PATH_BYTES"])
#: The same of a host.
HOST_BYTES: Final = int(_SIZES["HOST_BYTES"])
_MIX: Final = np.random.default_rng(9113).integers(1, 1 << 63, (2, PATH_BYTES + 1), np.uint64) | np.uint64(1)
_FOLDED: Final = np.uint64(42)
_SLASH: Final = ord("/")


def _table(characters: bytes) -> np.ndarray:
    """Whether a byte is one of these; by byte."""
    table = np.zeros(256, np.bool_)
    table[np.frombuffer(characters, np.uint8)] = True
    return table


_ENDS: Final = _table(b"\0 ?#\r\n")
_SPECIAL: Final = _table(b"%;<=>?@")
_DIGITS: Final = _table(b"0123456789")
_LETTERS: Final = _table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Templates:
    """Paths without what differs from request to request.

    :param rows: the paths; shape (n, characters), uint8.
    :param hashes: equal for paths of one template; 0 of those that begin with no slash; shape (n,), uint64.
    :param lengths: characters of each; 0 of those.
    :param folds: whether a segment is ``*``; of all paths, one after the other.
    :param first: of each path's segments in these.
    """

    rows: np.ndarray
    hashes: np.ndarray
    lengths: np.ndarray
    folds: np.ndarray
    first: np.ndarray

    def text(self, index: int) -> bytes:
        """The template of one path."""
        _, *segments = self.rows[index, : self.lengths[index]].tobytes().split(b"/")
        folds = self.folds[self.first[index] :][: len(segments)].tolist()
        parts = (b"*" if fold else text for text, fold in zip(segments, folds, strict=True))
        return b"".join(b"/" + part for part in parts)


def fold(rows: np.ndarray) -> Templates:
    """The templates of paths.

    :param rows: paths, whatever follows them; shape (n, at least ``PATH_BYTES``), uint8.
    """
    rows = rows[:, :PATH_BYTES]
    ends = _ENDS[rows]
    lengths = np.where(ends.any(axis=1), ends.argmax(axis=1), PATH_BYTES)
    lengths[rows[:, 0] != _SLASH] = 0
    cut = lengths >= PATH_BYTES - 1
    lengths = np.minimum(lengths, PATH_BYTES - 1)
    text = rows[np.arange(PATH_BYTES) < lengths[:, None]]
    begins = np.flatnonzero(text == _SLASH)
    counts = np.add.reduceat(np.append(text == _SLASH, False), np.cumsum(lengths) - lengths, dtype=np.int64)
    counts[lengths == 0] = 0
    first = np.cumsum(counts) - counts
    folds = _folds(text, begins)
    folds[(first + counts - 1)[cut]] = True
    return Templates(rows, _hashes(text, begins, folds, first, counts), lengths, folds, first)


def _folds(text: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Whether each segment is one of many: a number, an id, a date, an address, a token."""
    if not len(begins):
        return np.zeros(0, np.bool_)
    sizes = np.diff(np.append(begins, len(text))) - 1
    digit, letter, slash = _DIGITS[text], _LETTERS[text], text == _SLASH
    seen = np.cumsum(digit)
    before = seen - digit - np.repeat(seen[begins], sizes + 1)
    opens = np.append(False, slash[:-1])
    odd = ~(digit | letter | slash) | (letter & (before > 0)) | (digit & opens)
    digits = np.add.reduceat(digit, begins, dtype=np.int64)
    more = np.logical_or.reduceat(odd, begins) | (digits > 3) | (sizes > 8)
    return (more & (digits > 0)) | (sizes > 24) | np.logical_or.reduceat(_SPECIAL[text], begins)


def _hashes(
    text: np.ndarray, begins: np.ndarray, folds: np.ndarray, first: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    hashes = np.zeros(len(counts), np.uint64)
    if not len(begins):
        return hashes
    sizes = np.diff(np.append(begins, len(text)))
    place = np.arange(len(text)) - np.repeat(begins, sizes)
    segments = np.add.reduceat((text + np.uint64(1)) * _MIX[0, place], begins)
    segments ^= segments >> np.uint64(29)
    segments[folds] = _FOLDED
    paths = np.flatnonzero(counts)
    place = np.arange(len(begins)) - np.repeat(first[paths], counts[paths])
    mixed = (segments + np.uint64(1)) * _MIX[1, place]
    mixed = (mixed ^ mixed >> np.uint64(31)) * _MIX[1, place]
    hashes[paths] = np.add.reduceat(mixed, first[paths]) | np.uint64(1 << 63)
    return hashes
