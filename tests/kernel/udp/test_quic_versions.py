"""QUIC's version negotiation (RFC 8999, 6; RFC 9000, 6): a real server's answer to a version it does not know."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from probes.kernel.namespaces import ChosenNamespaces
from probes.quic.feed import EVENT, QuicFeed
from tests.kernel.quic_traffic import quic_server
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import APPLICATION, Flows, Sockets
from tests.ports import free_port
from tests.unit.probes.quic.sealing import CONNECTION_ID, HELLO, crypto, number, sealed

pytestmark = pytest.mark.kernel

#: One that the server knows; nobody's, and none of those that are reserved for asking.
VERSION_1, UNKNOWN = 1, 0x51474F32
QUIC, OTHER = APPLICATION["APPLICATION_QUIC"], APPLICATION["APPLICATION_UNKNOWN"]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a server of QUIC on loopback."""
    chosen = free_port()
    with quic_server(tmp_path_factory.mktemp("quic"), "127.0.0.1", chosen):
        yield chosen


def asking(source: bytes, destination: bytes = CONNECTION_ID) -> bytes:
    """A client's first datagram of the unknown version, which has the form of an Initial packet."""
    ids = bytes([len(destination), *destination, len(source), *source])
    head = bytes([0xC3]) + UNKNOWN.to_bytes(4, "big") + ids + b"\0"
    rest = bytes(1198 - len(head))
    return head + number(len(rest)) + rest


def answering(destination: bytes, source: bytes, *versions: int) -> bytes:
    """A server's: both ids the other way round, and what it knows."""
    ids = bytes([len(destination), *destination, len(source), *source])
    return bytes([0x80, 0, 0, 0, 0]) + ids + struct.pack(f">{len(versions)}I", *versions)


def versions_of(answer: bytes, destination: bytes, source: bytes) -> list[int]:
    """Those of a well-formed negotiation of these ids."""
    head = answering(destination, source)
    assert (answer[0] & 0x80, answer[1 : len(head)]) == (0x80, head[1:])
    return [version for (version,) in struct.iter_unpack(">I", answer[len(head) :])]


def ports_of(flow: np.void) -> tuple[int, int]:
    """The local one, and the peer's."""
    return int(flow["socket"]["local_port"]), int(flow["socket"]["peer_port"])


@pytest.mark.parametrize("source_bytes", [0, 8, 20])
def test_a_server_that_negotiates_speaks_quic(
    flows: Flows, made: Sockets, port: int, source_bytes: int
) -> None:
    """At both ends, though the version that was asked for is nobody's; browsers choose no id for themselves."""
    client, source = made.make(), bytes(range(source_bytes))
    client.connect(("127.0.0.1", port))
    called_from = client.getsockname()[1]
    client.send(asking(source))
    assert VERSION_1 in versions_of(client.recv(2000), source, CONNECTION_ID)
    ends = [flow for flow in flows.of_ports(port, called_from) if called_from in ports_of(flow)]
    assert [int(flow["application"]) for flow in ends] == [QUIC, QUIC]


def test_the_name_that_follows_a_negotiation_is_read(probe: Probes, made: Sockets, port: int) -> None:
    """The client begins again with a version that the server knows."""
    before, feed = QuicFeed(ChosenNamespaces([])), QuicFeed(ChosenNamespaces([]))
    before.datagrams = feed.datagrams = probe.initials
    before.events()
    client = made.make()
    client.connect(("127.0.0.1", port))
    client.send(asking(b""))
    client.recv(2000)
    client.send(sealed(crypto(0, HELLO)))
    names = [bytes(event["name"])[: int(event["name_length"])] for event in feed.events().view(EVENT)]
    assert names == [b"example.com"] * 2


@pytest.mark.parametrize(
    ("answer", "application"),
    [
        (answering(b"", CONNECTION_ID, 1), QUIC),
        (answering(bytes(255), bytes(255), 1, UNKNOWN), QUIC),
        (answering(b"", CONNECTION_ID), OTHER),
        (answering(b"", CONNECTION_ID, 1) + b"x", OTHER),
        (answering(b"", CONNECTION_ID, 0), OTHER),
        (answering(CONNECTION_ID, b"", 1), OTHER),
        (answering(CONNECTION_ID, CONNECTION_ID, 1)[:15], OTHER),
        (b"\0" + answering(b"", CONNECTION_ID, 1)[1:], OTHER),
    ],
    ids=["shortest", "longest", "no list", "a byte more", "no version", "no id", "cut", "short header"],
)
def test_what_negotiates_is_told_by_its_form(
    flows: Flows, made: Sockets, answer: bytes, application: int
) -> None:
    """Of both ends, in the first answer."""
    server, client = made.server(), made.make()
    client.sendto(asking(b""), server.getsockname())
    server.sendto(answer, server.recvfrom(2000)[1])
    assert client.recv(2000) == answer
    found = [int(flow["application"]) for flow in flows.of(server, client)]
    assert found == [application] * 2
