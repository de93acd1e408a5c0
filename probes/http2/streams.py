"""Requests under way: streams of HTTP/2 from the head of the request to the end of its answer. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.http2.connections import Connections
from probes.http2.fields import Content, Field
from probes.kernel.layout import enums, joined, rows_at, rows_where

#: One request. ``key``: the row of its connection and its number; times in ns, 0: not seen.
STREAM: Final = np.dtype(
    [
        *(("key", "<u8"), ("request_ns", "<u8"), ("answer_ns", "<u8"), ("path", "<u8"), ("host", "<u8")),
        *(("request_bytes", "<u8"), ("response_bytes", "<u8"), ("status", "<u2"), ("method", "u1")),
        *(("content", "u1"), ("grpc_status", "u1"), ("reserved", "V3")),  # grpc_status: 1 + it, 0: none
        # whose answer a proxy passed on, in ns when that request began and was answered; 0: none
        *(("upstream", "<u8"), ("upstream_ns", "<u8"), ("upstream_answer_ns", "<u8")),
    ]
)
_PATHS: Final = enums("http")["http_path"]
_STATUSES: Final = enums("http")["http_status"]
_FINAL: Final = 200  # below are interim answers
#: gRPC's status of a stream that is reset, by the code of HTTP/2 (gRPC over HTTP/2, "Errors"); else INTERNAL.
_INTERNAL: Final = 13
_RESETS: Final = np.full(16, _INTERNAL, np.uint8)
_RESETS[[7, 8, 11, 12]] = 14, 1, 8, 7  # UNAVAILABLE, CANCELLED, RESOURCE_EXHAUSTED, PERMISSION_DENIED


@dataclass(frozen=True)
class Heads:
    """Header blocks of streams, in the order in which they came.

    :param keys: of the streams; shape (n,).
    :param asks: whether it came from the client.
    :param ends: whether nothing of its direction follows.
    :param values: by ``Field``; shape (fields, n).
    :param unknown: whether some fields are not known.
    """

    keys: np.ndarray
    at_ns: np.ndarray
    asks: np.ndarray
    ends: np.ndarray
    values: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True)
class Payloads:
    """Bytes of DATA, likewise."""

    keys: np.ndarray
    asks: np.ndarray
    ends: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Endings:
    """What ends streams beside their own end.

    :param resets: keys of streams that were reset.
    :param codes: why, of each.
    :param refused: by row: the last stream that the server still answers.
    :param lost_ns: by row: when something of the connection was lost last, 0: nothing.
    """

    resets: np.ndarray
    codes: np.ndarray
    refused: np.ndarray
    lost_ns: np.ndarray


@dataclass(frozen=True)
class Passed:
    """Answers of proxies that others gave, in the order in which they were given on.

    :param keys: of the streams that they answer; shape (n,).
    :param upstreams: the sockets that answered: slot in the upper half, generation in the lower.
    :param began_ns: when the requests to these began.
    :param answer_ns: when their answers were there.
    """

    keys: np.ndarray
    upstreams: np.ndarray
    began_ns: np.ndarray
    answer_ns: np.ndarray


def keys_of(rows: np.ndarray, streams: np.ndarray) -> np.ndarray:
    """Row and number of streams as one number; shape (n,), uint64."""
    return rows.astype(np.uint64) << np.uint64(32) | streams.astype(np.uint64)


class OpenStreams:
    """Those that have no end yet.

    :param most: in all connections.
    :param most_each: in one; of more the oldest are given up.
    """

    def __init__(self, connections: Connections, most: int, most_each: int = 4096) -> None:
        self._connections = connections
        self._most = most
        self._most_each = most_each
        self._open = np.zeros(0, STREAM)  # ascending by key
        #: Streams that are not reported, by reason.
        self.dropped = {"too_many_streams": 0, "records_lost": 0}
        #: Answers whose request was not seen.
        self.unpaired = 0
        #: Answers that a proxy passed on and that are not reported, by reason.
        self.passed_dropped = {"request_unknown": 0, "records_lost": 0}

    def __len__(self) -> int:
        return len(self._open)

    def take(self, heads: Heads, payloads: Payloads, endings: Endings, passed: Passed) -> np.ndarray:
        """The streams that ended: ``STREAM``; shape (n,)."""
        self._begin(heads)
        self._pass(passed)
        self._answer(heads)
        self._count(payloads)
        done = self._done(heads, payloads)
        done |= self._reset(endings, done)
        lost = ~done & (self._open["request_ns"] < endings.lost_ns[self._rows()])
        self._give_up(lost, "records_lost")
        ended = rows_where(self._open, done)
        self._open = rows_where(self._open, ~(done | lost))
        self._limit()
        return ended

    def lose(self, rows: np.ndarray) -> None:
        """Gives up the streams of connections of which something was lost."""
        lost = np.isin(self._rows(), rows)
        self._give_up(lost, "records_lost")
        self._open = rows_where(self._open, ~lost)

    def _give_up(self, mask: np.ndarray, reason: str) -> None:
        """Counts streams that are not reported."""
        self.dropped[reason] += int(mask.sum())
        self.passed_dropped["records_lost"] += int((mask & (self._open["upstream"] > 0)).sum())

    def end(self, rows: np.ndarray) -> np.ndarray:
        """The streams of connections that are gone, with what was seen of their answers."""
        gone = np.isin(self._rows(), rows)
        ended = rows_where(self._open, gone)
        self._open = rows_where(self._open, ~gone)
        return ended

    def _rows(self) -> np.ndarray:
        return (self._open["key"] >> np.uint64(32)).astype(np.int64)

    def _find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where streams are among the open ones, and whether."""
        there = self._open["key"]
        places = np.minimum(np.searchsorted(there, keys), max(len(there) - 1, 0))
        return places, there[places] == keys if len(there) else np.zeros(len(keys), np.bool_)

    def _begin(self, heads: Heads) -> None:
        """Streams whose request begins; and answers to requests of before the connection was seen."""
        begun = joined(self._requests(heads), self._answers_alone(heads))
        if len(begun):
            every = joined(self._open, begun)
            self._open = rows_at(every, np.argsort(every["key"], kind="stable"))

    def _requests(self, heads: Heads) -> np.ndarray:
        named = heads.values[[Field.METHOD, Field.PATH, Field.HOST]].any(axis=0) | heads.unknown
        asks = np.flatnonzero(heads.asks & named)
        keys, first = np.unique(heads.keys[asks], return_index=True)
        rows, numbers = _parts(keys)
        new = numbers > self._connections.last_stream[rows]
        rows, numbers, at = rows[new], numbers[new], asks[first[new]]
        np.minimum.at(self._connections.first_stream, rows, numbers)
        np.maximum.at(self._connections.last_stream, rows, numbers)
        begun = np.zeros(len(at), STREAM)
        begun["key"], begun["request_ns"] = keys[new], heads.at_ns[at]
        values = heads.values[:, at]
        begun["method"] = np.maximum(values[Field.METHOD], 1) - 1
        begun["host"], begun["content"] = values[Field.HOST], values[Field.CONTENT_TYPE]
        missing = heads.unknown[at] & (values[Field.PATH] == 0)
        begun["path"] = np.where(missing, _PATHS["PATH_UNKNOWN"], values[Field.PATH])
        return begun

    def _answers_alone(self, heads: Heads) -> np.ndarray:
        alone = np.flatnonzero(~heads.asks)
        keys = np.unique(heads.keys[alone])
        rows, numbers = _parts(keys)
        early = (numbers < self._connections.first_stream[rows]) & ~self._find(keys)[1]
        begun = np.zeros(int(early.sum()), STREAM)
        begun["key"], begun["path"] = keys[early], _PATHS["PATH_UNKNOWN"]
        self.unpaired += len(begun)
        return begun

    def _answer(self, heads: Heads) -> None:
        """Heads of answers and trailers. Of several statuses the first is the answer's."""
        places, there = self._find(heads.keys)
        for field, name in ((Field.CONTENT_TYPE, "content"), (Field.GRPC_STATUS, "grpc_status")):
            told = np.flatnonzero(there & (heads.values[field] > 0))
            self._open[name][places[told]] = heads.values[field][told]
        status = heads.values[Field.STATUS]
        final = (status >= _FINAL) | (status == _STATUSES["STATUS_UNKNOWN"])
        for mine, value in (
            (final, status),
            ((status == 0) & heads.unknown, np.full_like(status, _STATUSES["STATUS_UNKNOWN"])),
        ):
            told = np.flatnonzero(there & ~heads.asks & mine)
            told = told[self._open["status"][places[told]] == 0][::-1]
            self._open["status"][places[told]] = value[told]
            self._open["answer_ns"][places[told]] = heads.at_ns[told]

    def _pass(self, passed: Passed) -> None:
        """A proxy's answers: they are given on before they leave."""
        places, there = self._find(passed.keys)
        self.passed_dropped["request_unknown"] += int((~there).sum())
        for name, values in (
            ("upstream", passed.upstreams),
            ("upstream_ns", passed.began_ns),
            ("upstream_answer_ns", passed.answer_ns),
        ):
            self._open[name][places[there]] = values[there]

    def _count(self, payloads: Payloads) -> None:
        places, there = self._find(payloads.keys)
        for mine, name in ((payloads.asks, "request_bytes"), (~payloads.asks, "response_bytes")):
            told = there & mine
            np.add.at(self._open[name], places[told], payloads.sizes[told])

    def _done(self, heads: Heads, payloads: Payloads) -> np.ndarray:
        """Which have their answer's end."""
        done = np.zeros(len(self._open), np.bool_)
        for part in (heads, payloads):
            places, there = self._find(part.keys)
            done[places[there & part.ends & ~part.asks]] = True
        unseen = done & (self._open["status"] == 0)
        self._open["status"][unseen] = _STATUSES["STATUS_UNKNOWN"]
        return done

    def _reset(self, endings: Endings, done: np.ndarray) -> np.ndarray:
        """Which have no end, but were reset, or refused by a server that takes leave."""
        places, there = self._find(endings.resets)
        told = there & ~done[places] if len(done) else there
        over = np.zeros(len(self._open), np.bool_)
        over[places[told]] = True
        codes = np.zeros(len(self._open), np.uint8)
        codes[places[told]] = 1 + _RESETS[np.minimum(endings.codes[told], len(_RESETS) - 1)]
        grpc = over & (self._open["content"] == Content.GRPC) & (self._open["grpc_status"] == 0)
        self._open["grpc_status"][grpc] = codes[grpc]
        rows, numbers = _parts(self._open["key"])
        over |= ~done & (numbers > endings.refused[rows])
        return over

    def _limit(self) -> None:
        counts = np.bincount(self._rows()) if len(self._open) else np.zeros(0, np.int64)
        kept = np.ones(len(self._open), np.bool_)
        if counts.max(initial=0) > self._most_each:
            behind = np.repeat(np.cumsum(counts), counts) - np.arange(len(kept))
            kept &= behind <= self._most_each
        if kept.sum() > self._most:
            ages = np.where(kept, self._open["request_ns"], np.uint64(0))
            kept = np.zeros(len(kept), np.bool_)
            kept[np.argpartition(ages, -self._most)[-self._most :]] = True
        if not kept.all():
            self._give_up(~kept, "too_many_streams")
            self._open = rows_where(self._open, kept)


def _parts(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and numbers of streams."""
    return (keys >> np.uint64(32)).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
