"""What is told of clients' first datagrams, and what is counted instead."""

import numpy as np
import pytest

from actors.node.handshakes import handshake_of
from probes.kernel.namespaces import ChosenNamespaces
from probes.quic import feed as feeds
from probes.quic.feed import EVENT, QuicFeed
from probes.quic.libcrypto import NoCryptoError
from probes.quic.ring import RECORD
from tests.unit.probes.quic.sealing import HELLO, crypto, sealed


class Waiting:
    """Datagrams that wait to be read, and counts of those that do not."""

    def __init__(self) -> None:
        self.records = np.zeros(0, RECORD)
        self.counts = {"told": 0, "ring_full": 0, "unreadable": 0}

    def add(self, datagram: bytes, count: int = 1) -> None:
        """As many of flows of their own."""
        records = np.zeros(count, RECORD)
        records["header"]["slot"], records["header"]["generation"] = np.arange(count), 9
        records["length"] = len(datagram)
        records["payload"][:] = np.void(datagram.ljust(RECORD["payload"].itemsize, b"\0"))
        self.records = records

    def read(self) -> np.ndarray:
        """Once."""
        records, self.records = self.records, np.zeros(0, RECORD)
        return records

    def tallies(self) -> dict[str, int]:
        """As the programs count."""
        return self.counts


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def feed(waiting: Waiting) -> QuicFeed:
    feed = QuicFeed(ChosenNamespaces([]))
    feed.datagrams = waiting
    return feed


def test_a_hello_is_told_of_its_flow(feed: QuicFeed, waiting: Waiting) -> None:
    waiting.add(sealed(crypto(0, HELLO)), 3)
    events = feed.events().view(EVENT)
    assert events["header"]["slot"].tolist() == [0, 1, 2]
    assert set(events["header"]["generation"].tolist()) == {9}
    assert {handshake_of(event).server_name for event in events} == {"example.com"}
    assert (feed.stage.received, feed.stage.delivered) == (3, 3)


def test_a_name_that_is_too_long_is_cut(feed: QuicFeed, waiting: Waiting) -> None:
    long = b"a" * 240 + b".example.com"
    name = b"\0" + len(long).to_bytes(2, "big") + long
    extension = b"\0\0" + (len(name) + 2).to_bytes(2, "big") + len(name).to_bytes(2, "big") + name
    bare = b"\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0" + len(extension).to_bytes(2, "big") + extension
    waiting.add(sealed(crypto(0, b"\1" + len(bare).to_bytes(3, "big") + bare)))
    (event,) = feed.events().view(EVENT)
    assert handshake_of(event).server_name == "a" * 152 + "…"


def test_what_is_not_opened_is_counted(feed: QuicFeed, waiting: Waiting) -> None:
    """What found the ring full was received as well."""
    waiting.add(b"\xc3\0\0\0\1\x08" + bytes(1194), 5)
    waiting.counts["ring_full"] = 7
    assert not len(feed.events())
    assert feed.stage.dropped == {"cut": 5, "ring_full": 7}
    assert feed.stage.balanced
    waiting.counts["ring_full"] = 9
    feed.events()
    assert (feed.stage.received, feed.stage.balanced) == (14, True)


def test_no_more_are_opened_than_a_second_has_room_for(
    feed: QuicFeed, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.quic.feed.time.monotonic", lambda: 7.5)
    monkeypatch.setattr(feeds, "MOST_PER_SECOND", 4)
    waiting.add(sealed(crypto(0, HELLO)), 6)
    assert len(feed.events()) == 4
    assert feed.stage.dropped == {"over_rate": 2}
    monkeypatch.setattr("probes.quic.feed.time.monotonic", lambda: 8.5)
    waiting.add(sealed(crypto(0, HELLO)), 1)
    assert len(feed.events()) == 1
    assert feed.stage.balanced


def test_without_openssl_nothing_is_opened(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NoCryptoError("none")

    monkeypatch.setattr(feeds, "Aes128", none)
    feed = QuicFeed(ChosenNamespaces([]))
    feed.datagrams = waiting
    waiting.add(sealed(crypto(0, HELLO)), 2)
    assert not len(feed.events())
    assert feed.stage.dropped == {"no_crypto": 2}
