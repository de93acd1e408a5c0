"""Answers that a proxy passed on to clients of HTTP/2: by the stream that they answer, with what went by."""

import numpy as np
from hpack import Encoder

from probes.http.config import Http2Config
from probes.http2.blocks import WAYS
from probes.http2.decoder import FrameDecoder
from probes.http2.passed import LINK
from tests.unit.probes.http2.frames import headers, joined, record
from tests.unit.probes.http2.test_streams import ASKS, END, SENT

SERVER = WAYS["HTTP2_SERVER"]


class Proxy:
    """A proxy's connection to a client, and what is decoded of it."""

    def __init__(self) -> None:
        self.decoder = FrameDecoder(Http2Config(connections=8, streams=8), 100, hosts=False)
        self._asks, self._answers = Encoder(), Encoder()

    def ask(self, stream: int, at_ns: int) -> list[np.ndarray]:
        """A request comes."""
        return headers(self._asks.encode(ASKS), stream=stream, flags=END, way=SERVER, at_ns=at_ns)

    def answer(self, stream: int, status: int, at_ns: int) -> list[np.ndarray]:
        """An answer leaves."""
        block = self._answers.encode([(":status", str(status))])
        return headers(block, stream=stream, flags=END, way=SERVER | SENT, at_ns=at_ns)

    def passed(self, stream: int, upstream: int, began_ns: int, answer_ns: int) -> list[np.ndarray]:
        """An answer is given on."""
        text = np.array([upstream, began_ns, answer_ns, 0], "<u8").tobytes()
        return [record("HTTP2_PASSED", text=text, stream=stream, way=SENT)]

    def take(self, *records: list[np.ndarray]) -> tuple[int, np.ndarray]:
        """Decodes; returns how many requests ended, and what was passed on of them."""
        ended = self.decoder.take(joined([one for part in records for one in part]))
        return int(ended["requests"].sum()), self.decoder.take_passed().view(LINK)


def test_streams_are_linked_each_to_its_upstream() -> None:
    """Whatever their order; alike ones of one upstream are one cell, with their times summed up."""
    proxy = Proxy()
    asks = [proxy.ask(stream, 1000 * stream) for stream in (1, 3, 5)]
    passed = [
        proxy.passed(5, 7, 5100, 5400),
        proxy.passed(1, 7, 1200, 1800),
        proxy.passed(3, 9, 3001, 3002),
    ]
    answers = [proxy.answer(stream, 200, 1000 * stream + 900) for stream in (3, 1, 5)]
    ended, cells = proxy.take(*asks, *passed, *answers)
    assert ended == 3
    found = {int(cell["upstream"]): cell for cell in cells}
    assert {upstream: int(cell["requests"]) for upstream, cell in found.items()} == {7: 2, 9: 1}
    assert [int(found[7][name]) for name in ("timed", "total_ns", "before_ns", "upstream_ns")] == [
        2,
        1800,
        300,
        900,
    ]
    assert [int(found[9][name]) for name in ("timed", "total_ns", "before_ns", "upstream_ns")] == [
        1,
        900,
        1,
        1,
    ]


def test_an_answer_of_the_proxy_itself_is_no_link() -> None:
    """It has its request, and nobody behind it."""
    proxy = Proxy()
    ended, cells = proxy.take(proxy.ask(1, 10), proxy.answer(1, 503, 20))
    assert (ended, len(cells)) == (1, 0)


def test_a_link_comes_with_the_end_of_its_request() -> None:
    """Not before, however late that is."""
    proxy = Proxy()
    assert len(proxy.take(proxy.ask(1, 10), proxy.passed(1, 7, 12, 14))[1]) == 0
    (cell,) = proxy.take(proxy.answer(1, 404, 20))[1]
    assert (int(cell["status"]), int(cell["total_ns"])) == (404, 10)


def test_a_link_without_its_request_is_counted() -> None:
    """Nothing is guessed."""
    proxy = Proxy()
    ended, cells = proxy.take(proxy.ask(1, 10), proxy.passed(3, 7, 12, 14))
    assert (ended, len(cells)) == (0, 0)
    assert proxy.decoder.streams.passed_dropped == {"request_unknown": 1, "records_lost": 0}
