"""Requests out of the records of frames: header blocks decoded, streams followed, those that ended counted. Pure."""

from typing import Final

import numpy as np

from probes.http.config import Http2Config
from probes.http2.blocks import FLAGS, TYPES, WAYS, BlockAssembly, words_of
from probes.http2.connections import NO_STREAM, Connections
from probes.http2.counted import CELL, counted
from probes.http2.fields import Field
from probes.http2.literals import LiteralValues
from probes.http2.passed import linked, passed_of
from probes.http2.streams import Endings, Heads, OpenStreams, Payloads, keys_of
from probes.http2.tables import DynamicTables
from probes.http2.texts import ToldTexts
from probes.kernel.layout import joined, rows_at, rows_where

#: The kernel may have a new connection in a slot while the one before is still known here.
_ROWS_EACH: Final = 2
_STREAM_BITS: Final = np.uint32(0x7FFFFFFF)


class FrameDecoder:
    """Keeps what is known of all connections.

    :param config: how many connections and streams.
    :param paths: that are kept apart.
    :param hosts: whether requests are kept apart by host.
    """

    def __init__(self, config: Http2Config, paths: int, *, hosts: bool) -> None:
        rows = _ROWS_EACH * config.connections
        self.connections = Connections(rows)
        self.texts = ToldTexts(paths)
        self.streams = OpenStreams(self.connections, config.streams)
        self._assembly = BlockAssembly(2 * rows)
        self._tables = DynamicTables(2 * rows, LiteralValues(self.texts, hosts=hosts))
        self._passed: list[np.ndarray] = []
        #: Header blocks with fields that are not known.
        self.unknown = 0

    def take(self, records: np.ndarray) -> np.ndarray:
        """What these say: requests that ended, as cells; shape (n,).

        :param records: ``struct http2_record``, in order; shape (m,).
        """
        records = joined(self._assembly.waiting, records)
        if not len(records):
            return np.zeros(0, CELL)
        rows = self.connections.rows_of(records)
        if (rows < 0).any():
            records, rows = rows_where(records, rows >= 0), rows[rows >= 0]
        self.connections.note(records, rows)
        direction = rows * 2 + (records["way"] & WAYS["HTTP2_SENT"])
        order = np.argsort(direction, kind="stable")
        records, direction = rows_at(records, order), direction[order]
        heads = self._heads(records, direction)
        rows, asks = direction >> 1, self._asks(direction)
        payloads, endings = _payloads(records, rows, asks), self._endings(records, rows, asks)
        return self._counted(self.streams.take(heads, payloads, endings, passed_of(records, rows)))

    def _counted(self, ended: np.ndarray) -> np.ndarray:
        """Streams that ended, as cells; keeps what proxies passed on of them."""
        passed = linked(ended, self.connections)
        if len(passed):
            self._passed.append(passed)
        return counted(ended, self.connections)

    def take_passed(self) -> np.ndarray:
        """What proxies passed on of all that ended since the last time: ``struct link_cell``, as cells."""
        passed, self._passed = self._passed, []
        return np.concatenate([np.zeros(0, CELL), *passed])

    def _asks(self, direction: np.ndarray) -> np.ndarray:
        """Whether a direction is that of requests."""
        client = self.connections.end[direction >> 1] == WAYS["HTTP2_CLIENT"]
        asks: np.ndarray = client == (direction & 1 > 0)
        return asks

    def _heads(self, records: np.ndarray, direction: np.ndarray) -> Heads:
        blocks = self._assembly.take(records, direction)
        decoded = self._tables.decode(blocks)
        self.unknown += int(decoded.unknown.sum())
        values, rows = decoded.values, blocks.direction >> 1
        asks = np.logical_or(values[Field.METHOD], values[Field.PATH])
        answers = values[Field.STATUS] > 0
        self.connections.learn_ends(blocks.direction, asks, answers)
        first = rows_at(records, blocks.first)
        told = (
            (first["type"] == TYPES["HTTP2_HEADERS"]) & _of_clients(first) & (self.connections.end[rows] > 0)
        )
        first, values, unknown = rows_where(first, told), values[:, told], decoded.unknown[told]
        keys = keys_of(rows[told], first["stream"])
        ends = (first["flags"] & FLAGS["HTTP2_END_STREAM"]) > 0
        return Heads(keys, first["at_ns"], self._asks(blocks.direction[told]), ends, values, unknown)

    def _endings(self, records: np.ndarray, rows: np.ndarray, asks: np.ndarray) -> Endings:
        types, first = records["type"], (records["way"] & WAYS["HTTP2_FIRST"]) > 0
        resets = np.flatnonzero((types == TYPES["HTTP2_RST_STREAM"]) & first)
        leaves = np.flatnonzero((types == TYPES["HTTP2_GOAWAY"]) & first & ~asks & (records["length"] >= 4))
        refused = np.full(len(self.connections.slot), NO_STREAM, np.int64)
        np.minimum.at(refused, rows[leaves], _word(records, leaves) & _STREAM_BITS)
        lost = np.flatnonzero(records["way"] & WAYS["HTTP2_LOST"])
        lost_ns = np.zeros(len(self.connections.slot), np.uint64)
        np.maximum.at(lost_ns, rows[lost], records["at_ns"][lost])
        keys = keys_of(rows[resets], records["stream"][resets])
        return Endings(keys, _word(records, resets), refused, lost_ns)

    def end(self, rows: np.ndarray, lossy: np.ndarray) -> np.ndarray:
        """Takes connections out whose sockets are gone; their requests have no answer, or none that is whole.

        :param lossy: rows of those whose last records were lost: of their requests nothing is said.
        """
        self.streams.lose(lossy)
        ended = self._counted(self.streams.end(rows))
        directions = np.concatenate((rows * 2, rows * 2 + 1))
        self._assembly.forget(directions)
        self._tables.forget(directions)
        self.connections.forget(rows)
        return ended


def _of_clients(records: np.ndarray) -> np.ndarray:
    """Whether streams are those of requests, not what a server pushes."""
    odd: np.ndarray = (records["stream"] & 1) > 0
    return odd


def _payloads(records: np.ndarray, rows: np.ndarray, asks: np.ndarray) -> Payloads:
    data = np.flatnonzero(records["type"] == TYPES["HTTP2_DATA"])
    sizes = words_of(rows_at(records, data), "<u8")
    ends = (records["flags"][data] & FLAGS["HTTP2_END_STREAM"]) > 0
    return Payloads(keys_of(rows[data], records["stream"][data]), asks[data], ends, sizes[:, 0])


def _word(records: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The first four bytes of payload, as HTTP/2 writes numbers; shape (n,), int64."""
    return words_of(rows_at(records, places), ">u4")[:, 0].astype(np.int64)
