"""Streams become requests: what was lost, what was there before, and what is too much is never guessed."""

from typing import Final

import numpy as np
from hpack import Encoder

from probes.http.config import Http2Config
from probes.http2.blocks import FLAGS, WAYS
from probes.http2.decoder import FrameDecoder
from probes.kernel.layout import enums
from tests.unit.probes.http2.frames import Header, headers, joined, record

SENT: Final = WAYS["HTTP2_SENT"]
CLIENT: Final = WAYS["HTTP2_CLIENT"]
LOST: Final = WAYS["HTTP2_LOST"]
END: Final = FLAGS["HTTP2_END_STREAM"]
PROTOCOLS: Final = enums("http")["http_protocol"]
NO_STATUS: Final = enums("http")["grpc_status"]["GRPC_NONE"]
UNKNOWN: Final = enums("http")["http_status"]["STATUS_UNKNOWN"]
ASKS: Final[list[Header]] = [
    (":method", "GET"),
    (":path", "/cart"),
    (":scheme", "http"),
    (":authority", "shop"),
]
GRPC: Final[Header] = ("content-type", "application/grpc")


class Connection:
    """A client's connection: requests and answers that hpack encodes.

    :param end: whether it is known which end it is.
    """

    def __init__(self, slot: int = 1, *, end: bool = True) -> None:
        self.asks, self.answers = Encoder(), Encoder()
        self._slot, self._end = slot, CLIENT * end

    def ask(
        self, stream: int, *more: Header, flags: int = END, way: int = 0, at_ns: int = 1000
    ) -> list[np.ndarray]:
        """A request."""
        block = self.asks.encode([*ASKS, *more])
        where = {"slot": self._slot, "stream": stream, "at_ns": at_ns}
        return headers(block, flags=flags, way=way | self._end | SENT, **where)

    def answer(
        self, stream: int, *fields: Header, flags: int = END, way: int = 0, at_ns: int = 0
    ) -> list[np.ndarray]:
        """An answer's head, or trailers."""
        where = {"slot": self._slot, "stream": stream, "at_ns": at_ns}
        return headers(self.answers.encode(fields), flags=flags, way=way | self._end, **where)

    def data(self, stream: int, size: int, *, sent: bool = False, flags: int = 0) -> list[np.ndarray]:
        """Bytes of payload."""
        text = size.to_bytes(8, "little")
        way = self._end | SENT * sent
        return [record("HTTP2_DATA", text=text, stream=stream, flags=flags, way=way, slot=self._slot)]

    def tell(self, kind: str, stream: int, number: int, *, sent: bool = False) -> list[np.ndarray]:
        """RST_STREAM or GOAWAY."""
        way = self._end | SENT * sent | WAYS["HTTP2_FIRST"] | WAYS["HTTP2_LAST"]
        return [record(kind, text=number.to_bytes(4, "big"), stream=stream, way=way, slot=self._slot)]


def decoder(streams: int = 65536) -> FrameDecoder:
    """One with this limit."""
    return FrameDecoder(Http2Config(streams=streams), 100, hosts=True)


def said(cells: np.ndarray) -> list[tuple[int, ...]]:
    """Requests, status, protocol, gRPC's status of each cell, ascending."""
    names = ("requests", "status", "protocol", "grpc_status")
    return sorted(tuple(int(cell[name]) for name in names) for cell in cells)


def texts(decoding: FrameDecoder) -> dict[int, str]:
    """What was told, by hash."""
    return {int(event["hash"]): event["text"].decode() for event in decoding.texts.events()}


def test_a_request_is_counted_with_all_that_it_says() -> None:
    """Once it ends, also when its parts come in different turns."""
    decoding, connection = decoder(), Connection()
    parts = [
        *(connection.ask(1, at_ns=1_000_000, flags=0), connection.data(1, 500, sent=True, flags=END)),
        *(
            connection.answer(1, (":status", "103"), flags=0),
            connection.answer(1, (":status", "200"), flags=0, at_ns=3_000_000),
        ),
        *(connection.data(1, 7000), connection.data(1, 70, flags=END)),
    ]
    cells = [cell for part in parts for cell in decoding.take(joined(part))]
    (cell,) = cells
    assert (cell["requests"], cell["status"], cell["method"], cell["role"]) == (1, 200, 1, 1)
    assert (cell["latency_ns"], cell["buckets"].sum()) == (2_000_000, 1)
    assert (cell["request_bytes"], cell["response_bytes"]) == (500, 7070)
    told = texts(decoding)
    assert (told[int(cell["path"])], told[int(cell["host"])]) == ("/cart", "shop")
    assert len(decoding.streams) == 0


def test_grpc_has_its_status_from_trailers_or_from_the_reset() -> None:
    """An answer that is only trailers, too; CANCEL is CANCELLED, REFUSED_STREAM is UNAVAILABLE."""
    decoding, connection = decoder(), Connection()
    records = [part for stream in (1, 3, 5, 7) for part in connection.ask(stream, GRPC)]
    records += connection.answer(1, (":status", "200"), GRPC, flags=0) + connection.answer(
        1, ("grpc-status", "5")
    )
    records += connection.answer(3, (":status", "200"), GRPC, ("grpc-status", "12"))
    records += connection.tell("HTTP2_RST_STREAM", 5, 8, sent=True) + connection.tell(
        "HTTP2_RST_STREAM", 7, 7
    )
    grpc = PROTOCOLS["PROTOCOL_GRPC"]
    wanted = [(1, 0, grpc, 1), (1, 0, grpc, 14), (1, 200, grpc, 5), (1, 200, grpc, 12)]
    assert said(decoding.take(joined(records))) == wanted


def test_streams_that_a_server_refuses_have_no_answer() -> None:
    """Those behind the last one that its GOAWAY names; the others go on."""
    decoding, connection = decoder(), Connection()
    records = [part for stream in (1, 3, 5) for part in connection.ask(stream)]
    cells = decoding.take(joined([*records, *connection.tell("HTTP2_GOAWAY", 0, 1)]))
    assert said(cells) == [(2, 0, PROTOCOLS["PROTOCOL_HTTP2"], NO_STATUS)]
    assert said(decoding.take(joined(connection.answer(1, (":status", "200")))))[0][:2] == (1, 200)


def test_what_was_in_a_table_before_is_unknown() -> None:
    """Of a connection that was open before: which end it is, is learnt; what is new is known."""
    decoding, connection = decoder(), Connection(end=False)
    for stream in (1, 3):
        connection.ask(stream)
        connection.answer(stream, (":status", "201"))
    cells = decoding.take(joined(connection.ask(5) + connection.answer(5, (":status", "201"))))
    assert said(cells) == [(1, UNKNOWN, PROTOCOLS["PROTOCOL_HTTP2"], NO_STATUS)]
    assert (cells["path"][0], cells["method"][0], cells["role"][0]) == (2, 1, 1)
    cells = decoding.take(joined(connection.ask(7) + connection.answer(7, (":status", "302"))))
    assert said(cells)[0][:2] == (1, 302)


def test_an_answer_to_a_request_of_before_is_counted_alone() -> None:
    """Without method, path and latency."""
    decoding, connection = decoder(), Connection()
    (cell,) = decoding.take(joined(connection.answer(1, (":status", "404"), at_ns=5)))
    assert (cell["status"], cell["method"], cell["path"], cell["buckets"].sum()) == (404, 0, 2, 0)
    assert decoding.streams.unpaired == 1


def test_a_loss_voids_the_table_of_its_direction() -> None:
    """What was under way is dropped and counted; what refers to entries of before the loss is unknown."""
    decoding, connection = decoder(), Connection()
    records = connection.ask(1) + connection.answer(1, (":status", "418")) + connection.ask(3)
    assert said(decoding.take(joined(records)))[0][:2] == (1, 418)
    connection.ask(5)  # lost
    cells = decoding.take(joined(connection.ask(7, way=LOST, at_ns=2000)))
    assert len(cells) == 0
    assert decoding.streams.dropped["records_lost"] == 1
    (cell,) = decoding.take(joined(connection.answer(7, (":status", "418"))))
    assert (cell["status"], cell["path"]) == (418, 2)
    assert len(decoding.take(joined(connection.answer(3, (":status", "418"))))) == 0


def test_streams_beyond_the_limit_are_given_up() -> None:
    """The oldest, and they are counted."""
    decoding, connection = decoder(streams=10), Connection()
    decoding.take(
        joined([part for stream in range(1, 31, 2) for part in connection.ask(stream, at_ns=stream)])
    )
    assert len(decoding.streams) == 10
    assert decoding.streams.dropped["too_many_streams"] == 5
    answers = [part for stream in range(1, 31, 2) for part in connection.answer(stream, (":status", "200"))]
    assert int(decoding.take(joined(answers))["requests"].sum()) == 10


def test_a_connection_that_is_gone_ends_its_requests() -> None:
    """With status 0; where its last records were lost nothing is said of them."""
    decoding, first, second = decoder(), Connection(1), Connection(2)
    decoding.take(joined(first.ask(1) + second.ask(1)))
    rows = decoding.connections.rows.copy()
    cells = decoding.end(rows, rows[1:])
    assert said(cells) == [(1, 0, PROTOCOLS["PROTOCOL_HTTP2"], NO_STATUS)]
    assert decoding.streams.dropped["records_lost"] == 1
    assert len(decoding.connections) == 0


def test_broken_blocks_say_nothing_and_break_nothing() -> None:
    """Bytes that are no HPACK, of any length, on a connection of their own."""
    decoding, chance = decoder(), np.random.default_rng(3)
    for turn in range(200):
        block = chance.integers(0, 256, int(chance.integers(1, 90)), np.uint8).tobytes()
        decoding.take(joined(headers(block, flags=END, way=CLIENT | SENT, slot=2, stream=2 * turn + 1)))
    connection = Connection()
    cells = decoding.take(joined(connection.ask(1) + connection.answer(1, (":status", "200"))))
    assert said(cells)[0][:2] == (1, 200)
