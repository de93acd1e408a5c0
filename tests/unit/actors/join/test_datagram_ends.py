"""Flows of UDP in the joiner: who called, sockets that follow each other on a tuple, and what was lost on the way."""

from typing import Any

import pytest

from actors.join.datagram_ends import TURNS
from model.kinds.delta import Cast, Folded, Role
from model.kinds.flow import FlowEvidence
from model.transport import Transport
from tests.nat_events import End, batch_of, socket_row
from tests.unit.actors.join.site import CLIENT, SECOND, SERVER, Flow, Site

SERVER_SLOT = 900


def row(
    slot: int, local: End, peer: End, role: Role, sent: int = 0, got: int = 0, **values: Any
) -> dict[str, Any]:
    """What an end of a flow of UDP did in its first second; datagrams of 10 bytes."""
    moved = {"tx": sent, "rx": got}
    counts: dict[str, Any] = {f"{way}_segments": count for way, count in moved.items()}
    counts |= {f"{way}_datagrams_total": count for way, count in moved.items()}
    counts |= {f"{way}_bytes": 10 * count for way, count in moved.items()}
    counts |= {f"{way}_bytes_total": 10 * count for way, count in moved.items()}
    counts |= {"connection__opened": 1, "socket__slot": slot, "socket__generation": 1}
    return socket_row(local, peer, role, network__transport=Transport.UDP, **(counts | values))


def client(slot: int = 1, **values: Any) -> dict[str, Any]:
    return row(slot, CLIENT, SERVER, Role.CLIENT, **values)


def server(slot: int = SERVER_SLOT, **values: Any) -> dict[str, Any]:
    return row(slot, SERVER, CLIENT, Role.SERVER, **values)


def ended(**values: Any) -> dict[str, Any]:
    return {"connection__closed": 1, "connection__closed_at_ns": 9 * SECOND, **values}


def lost(flow: Flow) -> tuple[int, int, int, int]:
    """Datagrams and bytes that are missing at the server's end, and at the client's."""
    return (
        flow["datagrams_unaccounted"],
        flow["bytes_unaccounted"],
        flow["reply_datagrams_unaccounted"],
        flow["reply_bytes_unaccounted"],
    )


def test_loss_is_told_once_both_ends_have_ended() -> None:
    """Seven of ten datagrams arrived, and four of four replies."""
    site = Site()
    (first,) = site.join(1, batch_of([client(sent=10, got=4), server(sent=4, got=7)], 1))
    assert (first["evidence"], first["network.transport"]) == (FlowEvidence.BOTH, Transport.UDP)
    assert lost(first) == (0, 0, 0, 0)
    (second,) = site.join(2, batch_of([client(sent=10, got=4, **ended())], 2))
    assert lost(second) == (0, 0, 0, 0)
    (last,) = site.join(3, batch_of([server(sent=4, got=7, **ended())], 3))
    assert (last["connection.closed"], *lost(last)) == (1, 3, 30, 0, 0)


@pytest.mark.parametrize(("nodes", "missing"), [(("a", "a"), 3), (("a", "b"), 0)])
def test_loss_at_a_server_of_before_the_start_is_told_on_its_node(
    nodes: tuple[str, str], missing: int
) -> None:
    """Its flow with a client that came later began after the start there; of another node nobody knows."""
    site = Site()
    rows = [client(sent=10, **ended()), server(got=7, connection__adopted=1, **ended())]
    batches = [batch_of([row], 1, node=node) for row, node in zip(rows, nodes, strict=True)]
    (last,) = site.join(1, *batches)
    assert (last["connection.closed"], last["datagrams_unaccounted"]) == (1, missing)


@pytest.mark.parametrize("apart", [0, 1])
def test_a_socket_that_takes_a_live_tuple_over_carries_its_totals_on(apart: int) -> None:
    """Three client sockets follow each other on one port, in one second or in several; the server sees one flow."""
    site, windows = Site(), [1, 1 + apart, 1 + 2 * apart]
    sockets = [client(slot, sent=slot, connection__opened_at_ns=slot, **ended()) for slot in (1, 2, 3)]
    reports: dict[int, list[dict[str, Any]]] = {window: [] for window in windows}
    for window, socket in zip(windows, sockets, strict=True):
        reports[window].append(socket)
    reports[1].append(server(got=1 if apart else 6, connection__opened_at_ns=5))
    flows = [flow for window, rows in reports.items() for flow in site.join(window, batch_of(rows, window))]
    assert len({flow["connection.id"] for flow in flows}) == 1
    assert sum(flow["client.tx_segments"] for flow in flows) == 6
    assert [flow["connection.closed"] for flow in flows] == [0] * len(flows)
    (last,) = site.join(9, batch_of([server(got=6, **ended())], 9))
    assert (last["connection.closed"], *lost(last)) == (1, 0, 0, 0, 0)
    assert sum(flow["connection.opened"] for flow in [*flows, last]) == 1
    assert len(site.joiner) == 0


def test_more_sockets_than_take_turns_follow_each_other_in_one_second() -> None:
    """Those beyond go on with the flow all at once, for its socket has ended: no datagram is missing."""
    site, sockets = Site(flows=256), 5 * TURNS
    site.join(1, batch_of([server(got=sockets)], 1))
    opened = [{"connection__opened_at_ns": 5 * SECOND + slot} for slot in range(sockets)]
    clients = [client(slot, sent=1, **at, **ended()) for slot, at in enumerate(opened)]
    told = site.join(2, batch_of(clients, 2))
    assert sum(flow["client.tx_segments"] for flow in told) == sockets
    assert {flow["evidence"] for flow in told} == {FlowEvidence.BOTH}
    (last,) = site.join(3, batch_of([server(got=sockets, **ended())], 3))
    assert (last["connection.closed"], *lost(last)) == (1, 0, 0, 0, 0)


def test_an_end_and_its_successor_in_one_second_go_in_their_order() -> None:
    """The socket that ends goes first, though its row comes last."""
    site = Site()
    site.join(1, batch_of([client(sent=1), server(got=1)], 1))
    flows = site.join(2, batch_of([client(2, sent=5), client(sent=2, **ended()), server(got=7)], 2))
    assert {flow["evidence"] for flow in flows} == {FlowEvidence.BOTH}
    assert len(site.joiner) == 1
    (last,) = site.join(3, batch_of([client(2, sent=5, **ended())], 3))
    assert last["connection.closed"] == 0
    (last,) = site.join(4, batch_of([server(got=7, **ended())], 4))
    assert lost(last) == (0, 0, 0, 0)


def test_a_server_that_starts_anew_goes_on_with_the_client() -> None:
    """What the first one did not get is lost; what the second gets is not told as loss."""
    site = Site()
    site.join(1, batch_of([client(sent=5), server(got=3)], 1))
    site.join(2, batch_of([server(got=3, **ended())], 2))
    (flow,) = site.join(3, batch_of([client(sent=9), server(901, got=4)], 3))
    assert flow["evidence"] == FlowEvidence.BOTH
    (last,) = site.join(4, batch_of([client(sent=9, **ended()), server(901, got=4, **ended())], 4))
    assert lost(last)[:2] == (2, 20)


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("apart", [0, 1])
def test_ends_that_say_the_same_of_who_called_meet(role: Role, apart: int) -> None:
    """Of two new ends the lower port is the server; an end that comes later takes the other part."""
    site = Site()
    low, high = row(1, SERVER, CLIENT, role, sent=3), row(2, CLIENT, SERVER, role, got=3)
    if apart:
        site.join(1, batch_of([low], 1))
        flows = site.join(2, batch_of([high], 2))
    else:
        flows = site.join(1, batch_of([low, high], 1))
    (flow,) = flows
    assert flow["evidence"] == FlowEvidence.BOTH
    if not apart:
        assert (flow["server.port"], flow["server.tx_segments"]) == (SERVER[1], 3)
        assert (flow["client.port"], flow["client.rx_segments"]) == (CLIENT[1], 3)


def test_a_tuple_of_equal_ports_has_the_lower_address_as_the_server() -> None:
    """As with WireGuard or NTP between peers."""
    one, other = ("10.0.0.1", 123), ("10.0.0.2", 123)
    rows = [row(1, other, one, Role.SERVER, sent=1), row(2, one, other, Role.SERVER, got=1)]
    (flow,) = Site().join(1, batch_of(rows, 1))
    assert (flow["server.address"], flow["client.address"]) == ("10.0.0.1", "10.0.0.2")


def test_multicast_and_folded_flows_have_no_other_end() -> None:
    """Each receiver's row stands alone and says what it is."""
    group = ("239.1.1.1", 5000)
    cast: dict[str, Any] = {"network__cast": Cast.MULTICAST}
    rows = [
        row(1, CLIENT, group, Role.CLIENT, sent=2, **cast),
        row(2, group, CLIENT, Role.SERVER, got=2, **cast),
        row(3, group, CLIENT, Role.SERVER, got=2, **cast),
        row(4, SERVER, ("10.0.0.9", 0), Role.SERVER, got=7, network__folded=Folded.PORTS),
    ]
    flows = Site().join(1, batch_of(rows, 1))
    assert len(flows) == 4
    assert all(flow["evidence"] != FlowEvidence.BOTH for flow in flows)
    assert [flow["network.cast"] for flow in flows] == [Cast.MULTICAST] * 3 + [0]
    assert [flow["network.folded"] for flow in flows] == [0, 0, 0, Folded.PORTS]


def test_the_protocol_is_told_once_it_is_known() -> None:
    """A flow that turns out to be QUIC later is so from then on."""
    site = Site()
    (first,) = site.join(1, batch_of([client(sent=1)], 1))
    (second,) = site.join(2, batch_of([client(sent=2, network__protocol__name=1)], 2))
    (third,) = site.join(3, batch_of([client(sent=3)], 3))
    assert [flow["network.protocol.name"] for flow in (first, second, third)] == [0, 1, 1]


def test_tcp_beside_udp_keeps_its_way() -> None:
    """Rows of both in one batch: of TCP a second socket of a live tuple is a connection of its own."""
    site = Site()
    tcp = [row(slot, CLIENT, SERVER, Role.CLIENT, connection__opened_at_ns=slot) for slot in (1, 2)]
    for one in tcp:
        one["network.transport"] = Transport.TCP
    flows = site.join(1, batch_of([*tcp, client(3, sent=1), server(got=1)], 1))
    assert len(flows) == 3
