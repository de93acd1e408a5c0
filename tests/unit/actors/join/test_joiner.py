"""The joiner: one flow for both ends of each connection, whenever and however they report."""

from dataclasses import replace
from typing import Any

import numpy as np

from actors.join.joiner import Joiner
from model.arrays import is_nothing
from model.batch import Batch
from model.chains import Chains
from model.kinds.delta import NO_SLOT, Role
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger
from model.message import decode
from model.transport import Transport
from tests.nat_events import batch_of, socket_row
from tests.plain_rows import plain_rows
from tests.unit.actors.join.site import SERVER, Flow, Site, client, rewritten, server


def test_both_ends_of_a_second_are_one_row() -> None:
    """Each end's own report stands apart in it; evidence is both; what was opened and closed is so once."""
    life: dict[str, Any] = {"connection__opened": 1, "connection__closed": 1, "connection__opened_at_ns": 5}
    rows = [
        client(tx_bytes=10, tx_bytes_total=10, process__comm=b"curl", **life),
        server(rx_bytes=10, rx_bytes_total=10, process__comm=b"nginx", **life),
    ]
    (flow,) = Site().join(1, batch_of(rows, 1, seq=7))
    assert (flow["client.tx_bytes"], flow["server.rx_bytes"], flow["bytes_unaccounted"]) == (10, 10, 0)
    assert (flow["client.process.comm"], flow["server.process.comm"]) == ("curl", "nginx")
    assert (flow["connection.opened"], flow["connection.closed"]) == (1, 1)
    assert (flow["evidence"], flow["client.seq"], flow["server.seq"]) == (FlowEvidence.BOTH, 7, 7)


def test_an_end_that_comes_later_joins() -> None:
    """The server reports two seconds after the client, from another node: both know of each other from then on."""
    site = Site()
    (first,) = site.join(1, batch_of([client(tx_bytes=5, connection__opened=1)], 1, node="a"))
    (second,) = site.join(3, batch_of([server(rx_bytes=5, connection__opened=1)], 3, node="b"))
    assert [first["evidence"], second["evidence"]] == [FlowEvidence.ADDRESS, FlowEvidence.BOTH]
    assert (second["client.node"], second["client.reported"], second["client.tx_bytes"]) == ("a", 0, 0)
    assert (second["server.node"], second["server.reported"]) == ("b", 1)
    assert [first["connection.opened"], second["connection.opened"]] == [1, 0]
    assert first["connection.id"] == second["connection.id"]
    assert site.noted["met_later"] == 1


def test_the_end_that_is_left_carries_on() -> None:
    """After the client's end came, the server's goes on; the connection is closed with the last."""
    site = Site()
    site.join(1, batch_of([client(), server()], 1))
    (closing,) = site.join(2, batch_of([client(connection__closed=1)], 2))
    (alone,) = site.join(3, batch_of([server(rx_bytes=3)], 3))
    (last,) = site.join(4, batch_of([server(connection__closed=1)], 4))
    assert [closing["connection.closed"], alone["connection.closed"], last["connection.closed"]] == [0, 0, 1]
    assert (alone["server.rx_bytes"], alone["evidence"], alone["client.reported"]) == (
        3,
        FlowEvidence.BOTH,
        0,
    )
    assert len(site.joiner) == 0


def test_a_rewritten_connection_names_whom_the_client_called() -> None:
    """Client, service, server and chain; the server's node alone would only have known the gateway."""
    batch = rewritten(batch_of([client()], 1), ("10.96.0.1", 80))
    (flow,) = Site().join(1, batch, batch_of([server()], 1, node="b"))
    assert (flow["client.address"], flow["service.address"], flow["service.port"]) == (
        "10.0.0.5",
        "10.96.0.1",
        80,
    )
    assert (flow["server.address"], flow["server.port"], flow["evidence"]) == (
        "10.1.0.1",
        8080,
        FlowEvidence.BOTH,
    )
    assert [hop["destination.address"] for hop in flow["nat"]] == ["10.96.0.1", "10.1.0.1"]


def test_evidence_of_one_end() -> None:
    """One end alone: its name if the other's address reports elsewhere, nat if rewriting was seen, else address."""
    (nat,) = Site().join(1, rewritten(batch_of([client()], 1), ("10.96.0.1", 80)))
    site = Site()
    site.join(1, batch_of([socket_row(SERVER, ("10.9.9.9", 1), Role.SERVER, socket__slot=9)], 1, node="b"))
    (near,) = site.join(2, batch_of([client()], 2))
    (plain,) = Site().join(1, batch_of([client()], 1))
    found = [nat["evidence"], near["evidence"], plain["evidence"]]
    assert found == [FlowEvidence.NAT, FlowEvidence.CLIENT, FlowEvidence.ADDRESS]


def test_rewriting_learnt_late_moves_the_end() -> None:
    """A client's end known under the service's address joins its server once the rewriting is known."""
    site, service = Site(), ("10.96.0.1", 80)
    (first,) = site.join(1, batch_of([client(to=service, connection__opened=1), server()], 1))[:1]
    batch = batch_of([client(connection__opened=1)], 2)
    (second,) = site.join(2, rewritten(batch, service))
    assert (first["evidence"], second["evidence"]) == (FlowEvidence.ADDRESS, FlowEvidence.BOTH)
    assert (second["connection.opened"], site.noted["moved"], len(site.joiner)) == (0, 1, 1)
    (third,) = site.join(3, rewritten(batch_of([client(tx_bytes=1)], 3), service))
    ids = [row["connection.id"] for row in (first, second, third)]
    previous = [row["connection.previous_id"] for row in (first, second, third)]
    assert (ids[0] != ids[1] == ids[2], previous) == (True, [0, ids[0], 0])


def test_another_engine_tells_the_id_of_before_the_rewriting_was_known() -> None:
    """The rows of the rewritten tuple go to another partition, or that to another engine: it has no row of before."""
    service = ("10.96.0.1", 80)
    (first,) = Site().join(1, batch_of([client(to=service, connection__opened=1)], 1))
    for engine in (Site(), Site()):
        told = [
            engine.join(window, rewritten(batch_of([client(nat__known_first=1), server()], window), service))
            for window in (2, 3)
        ]
        ((second,), (third,)) = told
        assert second["connection.previous_id"] == first["connection.id"] != second["connection.id"]
        assert (third["connection.previous_id"], third["connection.id"]) == (0, second["connection.id"])
    (plain,) = Site().join(2, rewritten(batch_of([client(), server()], 2), service))
    assert plain["connection.previous_id"] == 0


def test_a_failed_connect_is_a_flow() -> None:
    """With its error and latency; nothing is left of it afterwards but for the time that the other end may take."""
    site = Site()
    row = client(connection__failed=1, error__errno=111, connection__connect_latency_ns=99)
    (flow,) = site.join(1, batch_of([row], 1))
    assert (flow["connection.failed"], flow["connection.closed"], flow["client.error.errno"]) == (1, 0, 111)
    assert flow["connection.connect_latency_ns"] == 99
    site.join(20, batch_of([], 20))
    assert len(site.joiner) == 0
    assert site.noted["one_end_only"] == 1


def test_bytes_that_are_nowhere_are_said() -> None:
    """What the client's kernel saw acknowledged and the server's did not receive; not with an adopted end."""
    rows = [client(tx_bytes_total=100, rx_bytes_total=7), server(rx_bytes_total=60, tx_bytes_total=7)]
    (flow,) = Site().join(1, batch_of(rows, 1))
    assert (flow["bytes_unaccounted"], flow["reply_bytes_unaccounted"]) == (40, 0)
    rows[0]["connection.adopted"] = 1
    (flow,) = Site().join(1, batch_of(rows, 1))
    assert flow["bytes_unaccounted"] == 0


def test_at_the_limit_those_that_ended_make_room() -> None:
    """More connections than the table holds: every row still comes out, and what was given up is counted."""
    site, rows = Site(flows=16), []
    for number in range(64):
        rows.append(
            socket_row(("10.0.0.5", 1000 + number), SERVER, socket__slot=number, socket__generation=1)
        )
    sums = [
        sum(flow["client.tx_bytes"] for flow in site.join(1, batch_of([row | {"tx_bytes": 1}], 1)))
        for row in rows
    ]
    assert sum(sums) == 64
    assert len(site.joiner) <= 16
    assert site.noted["flows_evicted"] >= 48


def test_sockets_without_a_slot_are_joined_at_their_end() -> None:
    """Each row of one is another connection's."""
    rows = [
        client(NO_SLOT, connection__closed=1, tx_bytes=4),
        server(NO_SLOT, connection__closed=1, rx_bytes=4),
    ]
    (flow,) = Site().join(1, batch_of(rows, 1))
    assert (flow["client.tx_bytes"], flow["server.rx_bytes"], flow["evidence"]) == (4, 4, FlowEvidence.BOTH)


def test_all_hops_of_a_connection_that_is_over_are_told() -> None:
    """A connection rewritten twice, both of whose ends begin and end in one second, has its hop in between."""
    rows = [client(connection__closed=1), server(connection__closed=1)]
    batch = rewritten(batch_of(rows, 1), ("10.96.0.1", 80))
    hops = batch.tables["chains"].hops(1)
    middle = hops[:1].copy()
    middle["destination_port"] = 81
    chains = Chains(np.array([3], np.uint8), np.concatenate((hops[:1], middle, hops[1:])))
    (flow,) = Site().join(1, batch.with_tables(chains=chains))
    assert [hop["destination.port"] for hop in flow["nat"]] == [80, 81, 8080]


def test_blocks_of_a_window_give_what_the_whole_gives() -> None:
    """The same rows of two nodes joined at once, and three at a time: chains, names and numbers are the same."""
    ports = range(40_000, 40_040)

    def told(window: int) -> list[Batch]:
        parts = []
        for number, port in enumerate(ports):
            to, end = ("10.96.0.1", 80 + number % 3), ("10.0.0.5", port)
            slots = {"socket__slot": number, "socket__generation": 1}
            call = socket_row(end, SERVER, Role.CLIENT, tx_bytes=port, entity__index=1, **slots)
            answer = socket_row(SERVER, end, Role.SERVER, rx_bytes=port, cgroup__index=1, **slots)
            there = batch_of([answer], window, node="b", seq=number).with_tables(
                cgroups=["", f"/pod-{number % 4}"]
            )
            here = rewritten(batch_of([call], window, node="a", seq=number), to, end)
            parts += [there, here.with_tables(entities=[{}, {"container.id": f"c{number % 5}"}])]
        return parts

    def joined(block_rows: int) -> tuple[list[Flow], list[int]]:
        joiner = Joiner("site", "boot", Ledger(), flows=64, block_rows=block_rows)
        rows, chunks = list[Flow](), list[int]()
        for window in (1, 2):
            for batch in told(window):
                joiner.add(batch)
            made = list(joiner.close(window))
            assert [batch.chunk for batch in made] == list(range(made[0].chunks))
            chunks.append(len(made))
            rows += [row | {"window": window} for batch in made for row in plain_rows(batch)]
        return sorted(rows, key=lambda row: (row["window"], row["client.port"])), chunks

    (whole, one), (parts, many) = joined(1000), joined(3)
    assert one == [1, 1]
    assert min(many) > 10
    assert len(whole) == 2 * len(ports)
    assert {row["evidence"] for row in whole} == {FlowEvidence.BOTH}
    assert parts == whole


def test_connections_of_one_tuple_over_tcp_and_udp_are_two() -> None:
    """Also where their sockets have the same slots and generations: each transport has its own."""
    udp: dict[str, Any] = {"network__transport": Transport.UDP}
    site = Site()
    for window in (1, 2):
        rows = [client(tx_bytes=1), client(tx_bytes=2, **udp), server(rx_bytes=1), server(rx_bytes=2, **udp)]
        flows = site.join(window, batch_of(rows, window))
        assert sorted(
            (flow["network.transport"], flow["client.tx_bytes"], flow["server.rx_bytes"]) for flow in flows
        ) == [(Transport.TCP, 1, 1), (Transport.UDP, 2, 2)]
        assert len({flow["connection.id"] for flow in flows}) == 2
    assert len(site.joiner) == 2


def test_columns_known_to_be_empty_make_the_same_flows() -> None:
    """Rows read from messages, of which empty columns are not copied, and the same rows with all columns in full."""
    one, other = Site(), Site()
    for window, moved in ((1, 0), (2, 7), (3, 0), (4, 0)):
        life: dict[str, Any] = {
            "connection__opened": int(window == 1),
            "connection__closed": int(window == 4),
        }
        rows = [
            client(tx_bytes=moved, lost_segments=moved, connection__mptcp__token=moved * 3, **life),
            server(rx_bytes=moved, process__comm=b"nginx" if window == 2 else b"", **life),
        ]
        batch = decode(batch_of(rows, window, seq=window).encode())
        whole = replace(batch, columns={name: column.copy() for name, column in batch.columns.items()})
        assert any(map(is_nothing, batch.columns.values()))
        assert one.join(window, batch) == other.join(window, whole)
