"""Names in QUIC's first packets: what a real client says, as the kernel hands it over and the agent opens it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.node.handshakes import handshake_of
from model.handshake import Handshake
from probes.kernel.namespaces import ChosenNamespaces
from probes.quic.feed import EVENT, QuicFeed
from tests.kernel.quic_traffic import MANY, call, first_datagrams, quic_server
from tests.kernel.started import Probes
from tests.kernel.udp.datagrams import Sockets
from tests.ports import free_port
from tests.unit.probes.quic.sealing import HELLO, crypto, sealed

pytestmark = pytest.mark.kernel


@pytest.fixture
def feed(probe: Probes) -> QuicFeed:
    """What is told from now on; what came before is another's."""
    before, feed = QuicFeed(ChosenNamespaces([])), QuicFeed(ChosenNamespaces([]))
    before.datagrams = feed.datagrams = probe.initials
    before.events()
    return feed


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a server of QUIC on loopback."""
    number = free_port()
    with quic_server(tmp_path_factory.mktemp("quic"), "127.0.0.1", number):
        yield number


def told(feed: QuicFeed) -> list[Handshake]:
    """What hellos say that came since."""
    return [handshake_of(event) for event in feed.events().view(EVENT)]


def test_a_client_says_whom_it_calls(feed: QuicFeed, port: int) -> None:
    """At both ends of the flow, once each."""
    call("127.0.0.1", port, "shop.example", ["h3", "hq-interop"])
    assert told(feed) == [Handshake(server_name="shop.example", offered="h3,hq-interop")] * 2
    assert feed.stage.balanced
    assert feed.stage.dropped.total() == 0


def test_a_hello_of_two_datagrams_is_put_together(feed: QuicFeed, made: Sockets) -> None:
    """As those with a post-quantum key share are; of many protocols the first are kept. Nobody answers in between."""
    server, client = made.server(), made.make()
    datagrams = first_datagrams("long.example", ["h3", *MANY])
    assert len(datagrams) == 2
    for datagram in datagrams:
        client.sendto(datagram, server.getsockname())
    assert [(each.server_name, each.offered) for each in told(feed)] == [
        ("long.example", "h3,a-protocol-of-many-000")
    ] * 2
    assert feed.stage.delivered == 4


def test_a_name_behind_a_retry_is_read(feed: QuicFeed, made: Sockets) -> None:
    """The client begins again, with the connection id that the server chose and so with other keys. What follows a
    server's hello is looked at no more."""
    server, client = made.server(), made.make()
    client.sendto(sealed(crypto(0, HELLO[:100])), server.getsockname())
    address = server.recvfrom(2048)[1]
    server.sendto(bytes([0xF0, 0, 0, 0, 1, 0, 8]) + b"a-server" + bytes(40), address)
    client.sendto(sealed(crypto(0, HELLO), connection_id=b"a-server"), server.getsockname())
    assert {each.server_name for each in told(feed)} == {"example.com"}
    assert (feed.stage.delivered, feed.stage.dropped.total()) == (4, 0)
    server.sendto(bytes([0xC0, 0, 0, 0, 1]) + bytes(1200), address)
    client.sendto(sealed(crypto(0, HELLO), connection_id=b"a-server"), server.getsockname())
    assert told(feed) == []
    assert feed.stage.received == 4


def test_a_hello_whose_first_part_is_acknowledged_before_the_rest_comes_is_whole(
    feed: QuicFeed, made: Sockets
) -> None:
    server, client = made.server(), made.make()
    first, second = first_datagrams("parts.example", ["h3", *MANY])
    client.sendto(first, server.getsockname())
    server.sendto(bytes([0xC0, 0, 0, 0, 1]) + bytes(40), server.recvfrom(2048)[1])
    client.sendto(second, server.getsockname())
    assert [each.server_name for each in told(feed)] == ["parts.example"] * 2


def test_a_flow_that_sends_on_without_an_answer_is_heard_four_times(feed: QuicFeed, made: Sockets) -> None:
    """A hello that is never answered costs no more than that."""
    server, client = made.server(), made.make()
    datagram = sealed(crypto(0, HELLO))
    for _ in range(20):
        client.sendto(datagram, server.getsockname())
    assert {each.server_name for each in told(feed)} == {"example.com"}
    assert feed.stage.received == 8  # at each of the two ends


@pytest.mark.parametrize("size", [30, 1199, 1200, 2000, 2001, 9000, 60000])
def test_datagrams_that_are_none_are_counted_or_left_aside(feed: QuicFeed, made: Sockets, size: int) -> None:
    """They look like QUIC, and cannot be opened."""
    server, client = made.server(), made.make()
    client.sendto((bytes([0xC3, 0, 0, 0, 1, 8]) + bytes(size))[:size], server.getsockname())
    assert told(feed) == []
    assert feed.stage.dropped.total() == (2 if size >= 1200 else 0)
    assert feed.stage.balanced


def test_a_name_is_given_to_its_flow(feed: QuicFeed, tmp_path: Path, probe: Probes) -> None:
    """By slot and generation, behind the slots of TCP; the server makes its clients begin again."""
    port = free_port()
    with quic_server(tmp_path, "127.0.0.1", port, retry=True):
        called_from = call("127.0.0.1", port, "flow.example", ["h3", *MANY])
    events = feed.events().view(EVENT)
    assert {handshake_of(event).server_name for event in events} == {"flow.example"}
    assert feed.stage.dropped.total() == 0
    assert probe.datagrams
    cells = probe.datagrams._cells.view(8192)
    slots = events["header"]["slot"].astype(int) - 256
    ports = {tuple(sorted((int(key["local_port"]), int(key["peer_port"])))) for key in cells["key"][slots]}
    assert ports == {tuple(sorted((called_from, port)))}
    assert (cells["generation"][slots] == events["header"]["generation"]).all()
