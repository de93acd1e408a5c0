"""ctnetlink messages: whole columns at a time, and nothing that they hold makes the reader fail."""

import socket
import struct
from ipaddress import IPv6Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.conntrack.ctnetlink import LAYOUTS, Entries, Reader
from probes.conntrack.ctnetlink_layout import read_layout
from probes.kernel.layout import structs
from tests.declared import KIND
from tests.unit.probes.conntrack.ctnetlink_messages import attribute, entry, packed, way

DNAT = entry(way("10.0.0.1", "10.0.0.9", (5000, 80)), way("10.1.0.7", "10.0.0.1", (8080, 5000)))
PLAIN = entry(way("10.0.0.1", "10.0.0.9", (5000, 80)), way("10.0.0.9", "10.0.0.1", (80, 5000)))


def read(*messages: bytes) -> Entries:
    return Reader().read(*packed(list(messages)))


def text(event: np.void) -> list[str]:
    """Both tuples."""
    ends = []
    for part in (event["original"], event["reply"]):
        for side in ("source", "destination"):
            address = IPv6Address(part[f"{side}_address"].tobytes())
            ends.append(f"[{address.ipv4_mapped or address}]:{part[f'{side}_port']}")
    return ends


def test_an_entry_of_ipv4() -> None:
    """Both tuples, mapped, with ports in host order; kind, protocol, number."""
    found = read(DNAT)
    (event,) = found.events
    assert text(event) == ["[10.0.0.1]:5000", "[10.0.0.9]:80", "[10.1.0.7]:8080", "[10.0.0.1]:5000"]
    assert (event["family"], event["protocol"], event["zone"]) == (4, 6, 0)
    assert event["header"]["kind"] == KIND["KIND_NAT_NEW"]
    assert (found.ids.tolist(), found.unreadable) == ([0xABCD0001], 0)


def test_an_entry_of_ipv6_that_ended() -> None:
    """UDP, in a zone."""
    message = entry(
        way("fd00::1", "fd00::9", (5000, 53), 17),
        way("fd00:1::7", "fd00::2", (5353, 40000), 17),
        deleted=True,
        family=socket.AF_INET6,
        zone=7,
    )
    (event,) = read(message).events
    assert text(event) == ["[fd00::1]:5000", "[fd00::9]:53", "[fd00:1::7]:5353", "[fd00::2]:40000"]
    assert (event["family"], event["protocol"], event["zone"]) == (6, 17, 7)
    assert event["header"]["kind"] == KIND["KIND_NAT_DELETED"]


def test_a_zone_of_one_direction() -> None:
    """It stands in the tuple then."""
    message = entry(way("10.0.0.1", "10.0.0.9", (5, 80), zone=3), way("10.1.0.7", "10.0.0.1", (80, 5)))
    assert read(message).events["zone"].tolist() == [3]


def test_what_rewrites_nothing_is_left_out() -> None:
    """Plain entries, and those of other protocols; neither is unreadable."""
    ping = entry(way("10.0.0.1", "10.0.0.9", (), 1), way("10.0.0.9", "10.0.0.2", (), 1))
    sctp = entry(way("10.0.0.1", "10.0.0.9", (1, 2), 132), way("10.0.0.9", "10.0.0.2", (2, 1), 132))
    found = read(PLAIN, ping, DNAT, sctp)
    assert (found.rows.tolist(), found.unreadable) == ([2], 0)


def test_order_is_kept_among_many_layouts() -> None:
    """Messages of several layouts, also of one length, come out as they came in."""
    reply = way("10.1.0.7", "10.0.0.1", (80, 1))
    more = (
        b"",
        attribute(99, b"abcd"),
        attribute(7, b"abcd"),
        attribute(7, b"abcdefgh"),
        attribute(40, b"x"),
    )
    messages = [
        entry(
            way("10.0.0.1", "10.0.0.9", (number, 80)),
            reply,
            more=more[number % len(more)],
            deleted=number % 3 == 0,
        )
        for number in range(200)
    ]
    found = read(*messages)
    assert found.events["original"]["source_port"].tolist() == list(range(200))
    deleted = found.events["header"]["kind"] == KIND["KIND_NAT_DELETED"]
    assert deleted.tolist() == [number % 3 == 0 for number in range(200)]
    assert set(found.ids.tolist()) == {0xABCD0001}


def test_one_layout_is_walked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many messages there are, and however often."""
    walked: list[bytes] = []

    def counted(message: bytes) -> object:
        walked.append(message)
        return read_layout(message)

    monkeypatch.setattr("probes.conntrack.ctnetlink.read_layout", counted)
    reader = Reader()
    for _ in range(3):
        assert len(reader.read(*packed([DNAT] * 100)).events) == 100
    assert len(walked) == 1


def test_layouts_are_forgotten_before_there_are_too_many() -> None:
    """Each is still read."""
    reader = Reader()
    messages = [
        entry(
            way("10.0.0.1", "10.0.0.9", (1, 2)),
            way("10.0.0.7", "10.0.0.1", (2, 1)),
            more=attribute(kind, b""),
        )
        for kind in range(100, 100 + 3 * LAYOUTS)
    ]
    assert len(reader.read(*packed(messages)).events) == 3 * LAYOUTS
    assert sum(map(len, reader._layouts.values())) <= LAYOUTS


@pytest.mark.parametrize(
    "message",
    [
        DNAT[:-4],
        DNAT[:30],
        struct.pack("=I", len(DNAT) + 8) + DNAT[4:],
        DNAT[:4] + struct.pack("=H", 0x101) + DNAT[6:],
        DNAT[:16] + b"\x01" + DNAT[17:],
        DNAT[:20] + struct.pack("=H", 2) + DNAT[22:],
        DNAT[:20] + struct.pack("=H", 2000) + DNAT[22:],
        entry(way("10.0.0.1", "10.0.0.9", (1, 2)), b""),
        entry(way("10.0.0.1", "10.0.0.9", (1, 2)), way("fd00::1", "fd00::2", (2, 1))),
    ],
)
def test_what_cannot_be_read_is_counted(message: bytes) -> None:
    """Cut short, of another type or family, an attribute of an impossible length, a tuple that is not whole."""
    found = read(DNAT, message, DNAT)
    assert (found.rows.tolist(), found.unreadable) == ([0, 2], 1)


def test_nothing_to_read() -> None:
    """No messages, no entries."""
    found = read()
    assert (len(found.events), len(found.ids), found.unreadable) == (0, 0, 0)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with bytes changed, put in, or cut off; its length says so, or says what it said."""
    message = bytearray(draw(st.sampled_from([DNAT, PLAIN])))
    for _ in range(draw(st.integers(0, 6))):
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    at = draw(st.integers(0, len(message)))
    message[at:at] = draw(st.binary(max_size=16))
    del message[draw(st.integers(16, len(message))) :]
    if draw(st.booleans()):
        message[:4] = struct.pack("=I", len(message))
    return bytes(message)


@given(st.lists(st.one_of(damaged(), st.binary(max_size=64)), max_size=8))
def test_no_message_makes_the_reader_fail(messages: list[bytes]) -> None:
    """Whole ones between damaged ones are read; each is an entry, plain, or unreadable."""
    mixed = [DNAT, *messages, DNAT]
    found = read(*mixed)
    assert found.events.dtype == structs("conntrack")["nat_event"]
    assert {0, len(mixed) - 1} <= set(found.rows.tolist())
    assert len(found.events) == len(found.rows) == len(found.ids)
    assert len(found.events) + found.unreadable <= len(mixed)


@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans()),
        max_size=20,
    )
)
def test_columns_give_what_one_by_one_gives(values: list[tuple[int, int, int, bool]]) -> None:
    """All together, or each by a reader of its own: the same entries."""
    messages = []
    for source, destination, number, longer in values:
        address = socket.inet_ntoa(struct.pack(">I", number))
        more = attribute(8, b"mark") if longer else b""
        messages.append(
            entry(
                way("10.0.0.1", address, (source, 80)),
                way(address, "10.0.0.1", (destination, source)),
                more=more,
            )
        )
    together = read(*messages)
    alone = [read(message).events for message in messages]
    assert together.events.tobytes() == b"".join(events.tobytes() for events in alone)
