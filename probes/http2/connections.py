"""Connections of HTTP/2 whose frames are told of: a row for each, found by its socket."""

from typing import Final

import numpy as np

from probes.http2.blocks import TYPES, WAYS, words_of
from probes.kernel.layout import rows_at

#: Which end it is; 0: not known.
ENDS: Final = WAYS["HTTP2_CLIENT"] | WAYS["HTTP2_SERVER"]
#: Stands for a stream that was never seen.
NO_STREAM: Final = 1 << 31


class Connections:
    """The rows.

    :param most: connections at once; records of more are left out.
    """

    def __init__(self, most: int) -> None:
        self._keys = np.zeros(0, np.uint64)  # ascending: slot and generation of the socket
        self._row_of_key = np.zeros(0, np.int64)
        self._free = np.arange(most - 1, -1, -1)
        self.slot = np.zeros(most, np.uint32)
        self.generation = np.zeros(most, np.uint32)
        self.netns = np.zeros(most, np.uint32)
        #: ``HTTP2_CLIENT`` or ``HTTP2_SERVER``; 0: not known.
        self.end = np.zeros(most, np.uint8)
        #: The first request that was seen, and the last.
        self.first_stream = np.zeros(most, np.int64)
        self.last_stream = np.zeros(most, np.int64)
        #: Records of connections that were too many.
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def rows(self) -> np.ndarray:
        """Those in use."""
        return self._row_of_key

    def rows_of(self, records: np.ndarray) -> np.ndarray:
        """The row of each record's connection, new ones included; -1: there are too many; shape (n,)."""
        keys = records["slot"].astype(np.uint64) << np.uint64(32) | records["generation"]
        unique, inverse = np.unique(keys, return_inverse=True)
        places = np.searchsorted(self._keys, unique)
        held = places < len(self._keys)
        held[held] = self._keys[places[held]] == unique[held]
        rows = np.full(len(unique), -1, np.int64)
        rows[held] = self._row_of_key[places[held]]
        new = np.flatnonzero(~held)[: len(self._free)]
        if len(new):
            rows[new] = self._begin(unique[new], places[new])
        found: np.ndarray = rows[inverse]
        self.left_out += int((found < 0).sum())
        return found

    def _begin(self, keys: np.ndarray, places: np.ndarray) -> np.ndarray:
        rows, self._free = self._free[-len(keys) :], self._free[: -len(keys)]
        self._keys = np.insert(self._keys, places, keys)
        self._row_of_key = np.insert(self._row_of_key, places, rows)
        self.slot[rows], self.generation[rows] = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
        self.netns[rows] = self.end[rows] = 0
        self.first_stream[rows], self.last_stream[rows] = NO_STREAM, 0
        return rows

    def note(self, records: np.ndarray, rows: np.ndarray) -> None:
        """Learns what records say of their connections."""
        begins = np.flatnonzero(records["type"] == TYPES["HTTP2_BEGIN"])
        if len(begins):
            self.netns[rows[begins]] = words_of(rows_at(records, begins), "<u4")[:, 0]
        ends = records["way"] & ENDS
        told = np.flatnonzero(ends)
        self.end[rows[told]] = ends[told]

    def learn_ends(self, direction: np.ndarray, asks: np.ndarray, answers: np.ndarray) -> None:
        """Learns which end a connection is that was open before: whoever sends requests is the client.

        :param direction: of header blocks: twice the row, and 1 for what was sent; shape (n,).
        :param asks: whether a block is a request's.
        :param answers: whether it is an answer's.
        """
        rows, sent = direction >> 1, (direction & 1).astype(np.bool_)
        open_ = np.flatnonzero((self.end[rows] == 0) & (asks | answers))
        client = sent[open_] == asks[open_]
        self.end[rows[open_]] = np.where(client, WAYS["HTTP2_CLIENT"], WAYS["HTTP2_SERVER"])

    def forget(self, rows: np.ndarray) -> None:
        """Their sockets are gone."""
        kept = ~np.isin(self._row_of_key, rows)
        self._keys, self._row_of_key = self._keys[kept], self._row_of_key[kept]
        self._free = np.concatenate((self._free, rows))
