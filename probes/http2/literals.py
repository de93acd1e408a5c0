"""Values of header fields that stand in blocks as texts, many at once: what is wanted of them, as one number each."""

from collections.abc import Callable
from typing import Final

import numpy as np

from probes.http2 import huffman
from probes.http2.fields import PATHS, VALUES, Content, Field
from probes.http2.templates import HOST_BYTES, PATH_BYTES, fold
from probes.http2.texts import ToldTexts
from probes.http2.walk import integers
from probes.kernel.layout import enums

#: Bytes of a literal that can matter.
WIDTH: Final = 192
#: Values that are remembered by their text; with more, all are forgotten.
REMEMBERED: Final = 1 << 16
_STATUS_UNKNOWN: Final = enums("http")["http_status"]["STATUS_UNKNOWN"]
_HIGHEST_GRPC_STATUS: Final = enums("http")["grpc_status"]["GRPC_NONE"] - 1
_GRPC: Final = np.frombuffer(b"application/grpc", np.uint8)


def _words() -> tuple[np.ndarray, np.ndarray]:
    """Methods as numbers of eight bytes, ascending, and what their values are."""
    numbers = {name.removeprefix("METHOD_"): number for name, number in enums("http")["http_method"].items()}
    del numbers["OTHER"]
    words = {
        int.from_bytes(name.encode().ljust(8, b"\0"), "little"): number for name, number in numbers.items()
    }
    order = sorted(words)
    return np.array(order, np.uint64), np.array([1 + words[word] for word in order], np.uint64)


_METHOD_WORDS, _METHOD_VALUES = _words()


class LiteralValues:
    """Reads values; those that come again are known by their bytes.

    :param texts: of paths and hosts.
    :param hosts: whether hosts are wanted.
    """

    def __init__(self, texts: ToldTexts, *, hosts: bool) -> None:
        self._texts = texts
        self._hosts = hosts
        self._mix = np.random.default_rng().integers(1, 1 << 63, WIDTH, np.uint64) | np.uint64(1)
        self._keys = np.zeros(0, np.uint64)
        self._values = np.zeros(0, np.uint64)
        self._static = VALUES.copy()
        for place, path in PATHS.items():
            rows = np.zeros((1, PATH_BYTES), np.uint8)
            rows[0, : len(path)] = np.frombuffer(path, np.uint8)
            self._static[place] = self._paths(rows)[0]

    def static(self) -> np.ndarray:
        """The values of the static table; by place, uint64."""
        return self._static

    def values(
        self, data: np.ndarray, begins: np.ndarray, sizes: np.ndarray, fields: np.ndarray
    ) -> np.ndarray:
        """Of HPACK strings.

        :param data: bytes in which they stand, with ``MARGIN`` more.
        :param begins: of each, in these; shape (n,).
        :param sizes: bytes of each.
        :param fields: what they are values of (``Field``).
        """
        if not len(begins):
            return np.zeros(0, np.uint64)
        sizes = np.minimum(sizes, WIDTH)
        keys = self._keys_of(data, begins, sizes, fields)
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        return self._of_keys(unique, first, data, begins, sizes, fields)[inverse]

    def _keys_of(
        self, data: np.ndarray, begins: np.ndarray, sizes: np.ndarray, fields: np.ndarray
    ) -> np.ndarray:
        """A number for each, equal for equal ones (and, but for chance of 2^-64, for no others)."""
        width = -(-int(sizes.max()) // 8) * 8
        raw = data[np.minimum(begins[:, None] + np.arange(width), len(data) - 1)]
        raw[np.arange(width) >= sizes[:, None]] = 0
        words = raw.view(np.uint64)
        keys = sizes.astype(np.uint64) << np.uint64(8) | fields.astype(np.uint64)
        for place in range(words.shape[1]):
            keys = (keys ^ keys >> np.uint64(31) ^ words[:, place]) * self._mix[place]
        return keys ^ keys >> np.uint64(29)

    def _of_keys(
        self,
        keys: np.ndarray,
        first: np.ndarray,
        data: np.ndarray,
        begins: np.ndarray,
        sizes: np.ndarray,
        fields: np.ndarray,
    ) -> np.ndarray:
        """The values of different literals, remembered or read.

        :param keys: ascending.
        :param first: a place of each.
        """
        places = np.searchsorted(self._keys, keys)
        held = places < len(self._keys)
        held[held] = self._keys[places[held]] == keys[held]
        values = np.zeros(len(keys), np.uint64)
        values[held] = self._values[places[held]]
        new = np.flatnonzero(~held)
        if len(new):
            at = first[new]
            values[new] = self._read(data, begins[at], sizes[at], fields[at])
            self._remember(keys[new], values[new], places[new])
        return values

    def _remember(self, keys: np.ndarray, values: np.ndarray, places: np.ndarray) -> None:
        if len(self._keys) + len(keys) > REMEMBERED:
            self._keys, self._values = keys[:REMEMBERED], values[:REMEMBERED]
            return
        self._keys = np.insert(self._keys, places, keys)
        self._values = np.insert(self._values, places, values)

    def _read(
        self, data: np.ndarray, begins: np.ndarray, sizes: np.ndarray, fields: np.ndarray
    ) -> np.ndarray:
        rows = _texts(data, begins, sizes)
        values = np.zeros(len(begins), np.uint64)
        readers: dict[Field, Callable[[np.ndarray], np.ndarray]] = {
            Field.METHOD: _methods,
            Field.PATH: self._paths,
            Field.STATUS: _statuses,
            Field.GRPC_STATUS: _grpc_statuses,
            Field.HOST: self._host_names,
            Field.CONTENT_TYPE: _content_types,
        }
        for field, read in readers.items():
            mine = np.flatnonzero(fields == field)
            if len(mine):
                values[mine] = read(rows[mine])
        return values

    def _paths(self, rows: np.ndarray) -> np.ndarray:
        templates = fold(rows)
        return self._texts.known(templates.hashes, templates.text)

    def _host_names(self, rows: np.ndarray) -> np.ndarray:
        if not self._hosts:
            return np.zeros(len(rows), np.uint64)
        rows = rows[:, :HOST_BYTES]
        hashes = ((rows + np.uint64(1)) * self._mix[: rows.shape[1]]).sum(axis=1)
        hashes = (hashes ^ hashes >> np.uint64(31)) | np.uint64(1 << 63)
        return self._texts.known(hashes, lambda place: rows[place].tobytes().rstrip(b"\0"))


def _texts(data: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The texts of HPACK strings (RFC 7541, section 5.2), as far as they matter; shape (n, PATH_BYTES), uint8."""
    lengths, at = integers(data, begins, 127)
    lengths = np.minimum(lengths, np.maximum(begins + sizes - at, 0))
    coded = data[begins] >= 0x80
    rows = np.zeros((len(begins), PATH_BYTES), np.uint8)
    plain = np.flatnonzero(~coded)
    if len(plain):
        places = at[plain][:, None] + np.arange(PATH_BYTES)
        there = np.arange(PATH_BYTES) < lengths[plain][:, None]
        rows[plain] = np.where(there, data[np.minimum(places, len(data) - 1)], 0)
    packed = np.flatnonzero(coded)
    if len(packed):
        rows[packed] = huffman.decode(data, at[packed], lengths[packed], PATH_BYTES)
    return rows


def _methods(rows: np.ndarray) -> np.ndarray:
    words = np.ascontiguousarray(rows[:, :8]).view(np.uint64)[:, 0]
    places = np.minimum(np.searchsorted(_METHOD_WORDS, words), len(_METHOD_WORDS) - 1)
    known = (_METHOD_WORDS[places] == words) & (rows[:, 8] == 0)
    return np.where(known, _METHOD_VALUES[places], np.uint64(1))


def _numbers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decimal numbers of up to three digits, and whether they are such."""
    digits = rows[:, :3].astype(np.int64) - ord("0")
    there = (digits >= 0) & (digits <= 9)
    numbers = np.zeros(len(rows), np.int64)
    for place in range(3):
        numbers = np.where(there[:, place], numbers * 10 + digits[:, place], numbers)
    ended = np.where(there, 0, rows[:, :3]).sum(axis=1) == 0
    return numbers, there[:, 0] & ended & (rows[:, 3] == 0)


def _statuses(rows: np.ndarray) -> np.ndarray:
    numbers, valid = _numbers(rows)
    return np.where(valid & (numbers >= 100), numbers, _STATUS_UNKNOWN).astype(np.uint64)


def _grpc_statuses(rows: np.ndarray) -> np.ndarray:
    numbers, valid = _numbers(rows)
    return np.where(valid, 1 + np.minimum(numbers, _HIGHEST_GRPC_STATUS), 0).astype(np.uint64)


def _content_types(rows: np.ndarray) -> np.ndarray:
    grpc = (rows[:, : len(_GRPC)] == _GRPC).all(axis=1)
    return np.where(grpc, Content.GRPC, Content.OTHER).astype(np.uint64)
