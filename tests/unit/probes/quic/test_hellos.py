"""Hellos of QUIC: vectors of the RFCs, pieces in any order, and packets that mean no good."""

import random
from collections.abc import Sequence

import pytest

from probes.quic import flows
from probes.quic.flows import QuicHellos
from probes.quic.hello import ClientHello, HelloPieces, NoHelloError, parsed
from probes.quic.libcrypto import Aes128
from probes.quic.packets import NotOpenedError, client_keys, opened
from tests.kernel.quic_traffic import MANY, first_datagrams
from tests.unit.probes.quic.sealing import CONNECTION_ID, HELLO, SECOND, crypto, sealed

EXAMPLE = ClientHello(b"example.com", b"\x04alpn")
FLOW = (7, 1)


def test_keys_are_those_of_the_rfc() -> None:
    first, second = client_keys(1, CONNECTION_ID), client_keys(SECOND, CONNECTION_ID)
    assert first.key.hex() == "1f369613dd76d5467730efcbe3b1a22d"
    assert first.vector.hex() == "fa044b2f42a3fd3b46fb255c"
    assert first.header.hex() == "9f50449e04a0e810283a1e9933adedd2"
    assert second.key.hex() == "8b1a0bc121284290a29e0971b5cd045d"
    assert second.vector.hex() == "91f73e2351d8fa91660e909f"
    assert second.header.hex() == "45b95e15235d6f45a6b19cbcb0294ba9"


@pytest.mark.parametrize(
    ("version", "begin", "end"),
    [
        (
            1,
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            SECOND,
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e75d6c",
            "",
        ),
    ],
)
def test_the_packet_of_the_rfc_is_opened(version: int, begin: str, end: str) -> None:
    """Sealing is deterministic: it is the very packet of Appendix A.2."""
    datagram = sealed(crypto(0, HELLO), version=version)
    assert datagram.hex().startswith(begin)
    assert datagram.hex().endswith(end)
    assert len(datagram) == 1200
    assert QuicHellos(Aes128()).take(FLOW, datagram, 0) == EXAMPLE


def test_a_changed_packet_is_not_opened() -> None:
    hellos, datagram = QuicHellos(Aes128()), bytearray(sealed(crypto(0, HELLO)))
    datagram[600] ^= 1
    assert hellos.take(FLOW, bytes(datagram), 0) is None
    assert hellos.dropped == {"other_keys": 1}


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"\xc0\0\0\0\x07" + bytes(1195), "unknown_version"),
        (b"\xe0\0\0\0\x01" + bytes(1195), "no_initial"),
        (b"\xc0\0\0\0\x01\xff" + bytes(1194), "no_initial"),
        (b"\xc0\0\0\0\x01\x08", "cut"),
        (sealed(crypto(0, HELLO))[:900], "cut"),
        (b"", "cut"),
    ],
)
def test_what_is_no_packet_of_a_client_is_told_by_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(NotOpenedError) as raised:
        list(opened(datagram, Aes128()))
    assert raised.value.reason == reason


def _pieces(sizes: Sequence[int]) -> list[bytes]:
    frames, at = [], 0
    for size in sizes:
        frames.append(crypto(at, HELLO[at : at + size]))
        at += size
    return [*frames, crypto(at, HELLO[at:])]


def test_pieces_come_in_any_order_with_padding_and_pings_between() -> None:
    frames = _pieces([10, 50, 3, 90])
    random.Random(5).shuffle(frames)
    hello = QuicHellos(Aes128()).take(FLOW, sealed(b"\x01\0\0\0".join(frames)), 0)
    assert hello == EXAMPLE


def test_a_hello_in_two_datagrams_is_told_with_the_second() -> None:
    first, second, third = _pieces([30, 100])
    hellos = QuicHellos(Aes128())
    assert hellos.take(FLOW, sealed(third + first, packet=0), 0) is None
    assert hellos.take((8, 1), sealed(second, packet=1), 1) is None  # another flow
    assert hellos.take(FLOW, sealed(second, packet=1), 1) == EXAMPLE
    assert (hellos.read, hellos.dropped) == (3, {})


def test_a_hello_of_a_real_client_is_put_together() -> None:
    """Of aioquic, in two datagrams."""
    hellos, told = QuicHellos(Aes128()), []
    for datagram in first_datagrams("long.example", ["h3", *MANY]):
        told.append(hellos.take(FLOW, datagram, 0))
    hello = told.pop()
    assert hello
    assert told == [None]
    assert hello.server_name == b"long.example"
    assert len(hello.protocols) == 3 + sum(1 + len(name) for name in MANY)


def test_two_packets_of_one_datagram_are_read() -> None:
    first, second = _pieces([100])
    datagram = sealed(first, packet=0, payload_bytes=500) + sealed(second, packet=1, payload_bytes=600)
    assert QuicHellos(Aes128()).take(FLOW, datagram, 0) == EXAMPLE


def test_acknowledgements_are_stepped_over() -> None:
    ack, with_counts = b"\x02\x05\x00\x01\x01\x00\x02", b"\x03\x05\x00\x00\x01\x01\x01\x01"
    assert QuicHellos(Aes128()).take(FLOW, sealed(ack + with_counts + crypto(0, HELLO)), 0) == EXAMPLE


def test_too_many_flows_whose_hello_is_not_whole_are_forgotten() -> None:
    hellos, datagram = QuicHellos(Aes128()), sealed(_pieces([60])[0])
    for slot in range(flows.MOST_FLOWS + 3):
        hellos.take((slot, 1), datagram, 0)
    assert hellos.noted["forgotten"] == 3
    hellos.expire(flows.PATIENCE_S + 1)
    assert hellos.noted["incomplete"] == flows.MOST_FLOWS


@pytest.mark.parametrize("cut", [0, 3, 4, 40, 60, 200, len(HELLO) - 1])
def test_a_hello_that_is_cut_waits_for_its_rest(cut: int) -> None:
    assert parsed(HELLO[:cut]) in (None, EXAMPLE)
    assert parsed(HELLO) == EXAMPLE


def test_a_hello_without_a_name_says_so() -> None:
    bare = b"\3\3" + bytes(32) + b"\0\0\2\x13\1\1\0\0\0"
    hello = b"\1" + len(bare).to_bytes(3, "big") + bare
    hellos = QuicHellos(Aes128())
    assert hellos.take(FLOW, sealed(crypto(0, hello)), 0) == ClientHello()
    assert hellos.noted["without_name"] == 1


def test_what_does_not_belong_there_ends_the_reading() -> None:
    for frames in (b"\x1e", crypto(16000, bytes(600)), b"\x06\x40"):
        with pytest.raises(NoHelloError):
            HelloPieces().take(frames)
    with pytest.raises(NoHelloError):
        parsed(b"\2\0\0\0")


def test_hostile_packets_do_no_harm() -> None:
    """Datagrams and hellos with bytes changed, cut and repeated: nothing but the two answers, and no name made up."""
    chance, hellos, whole = random.Random(11), QuicHellos(Aes128()), sealed(crypto(0, HELLO))
    for turn in range(20_000):
        datagram = bytearray(whole if turn % 2 else chance.randbytes(60))
        for _ in range(chance.randrange(1, 6)):
            datagram[chance.randrange(min(len(datagram), 40))] = chance.randrange(256)
        hello = hellos.take((turn, 1), bytes(datagram[: chance.randrange(len(datagram))]), 0)
        assert hello is None
    for _ in range(80_000):
        text, pieces = bytearray(crypto(0, HELLO)), HelloPieces()
        for _ in range(chance.randrange(1, 8)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        try:
            pieces.take(bytes(text[: chance.randrange(len(text) + 1)]))
            pieces.hello()
        except NoHelloError:
            continue
