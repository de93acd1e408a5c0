"""The joiner: one flow for both ends of each connection, whenever and however they report."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.join.joiner import Joiner
from model.batch import Batch
from model.chains import HOP, Chains
from model.kinds.delta import DELTA, NO_SLOT, Role
from model.kinds.flow import FlowEvidence
from model.ledger import Ledger
from model.transport import Transport
from tests.nat_events import End, batch_of, socket_row
from tests.plain_rows import plain_rows

SECOND = 10**9
CLIENT, SERVER = ("10.0.0.5", 40000), ("10.1.0.1", 8080)

Flow = dict[str, Any]


class Site:
    """A joiner, and the flows that came out of it."""

    def __init__(self, flows: int = 64) -> None:
        self.ledger = Ledger()
        self.joiner = Joiner("site", "boot", self.ledger, flows=flows)

    def join(self, window: int, *batches: Batch) -> list[Flow]:
        for batch in batches:
            self.joiner.add(batch)
        return [row for batch in self.joiner.close(window) for row in plain_rows(batch)]

    @property
    def noted(self) -> Counter[str]:
        return self.ledger.stages["join"].noted


def client(slot: int = 1, to: End = SERVER, **values: Any) -> dict[str, Any]:
    return socket_row(CLIENT, to, Role.CLIENT, socket__slot=slot, socket__generation=1, **values)


def server(slot: int = 2, peer: End = CLIENT, **values: Any) -> dict[str, Any]:
    return socket_row(SERVER, peer, Role.SERVER, socket__slot=slot, socket__generation=1, **values)


def rewritten(batch: Batch, service: End, source: End = CLIENT) -> Batch:
    """``batch``, whose first row's client called ``service`` and came out as what the row says."""
    hops = np.zeros(2, HOP)
    columns = batch.columns
    for place, (address, port) in (("source", source), ("destination", service)):
        hops[f"{place}_port"][0] = port
        hops[f"{place}_address"][0] = np.void(b"\0" * 10 + b"\xff\xff" + bytes(map(int, address.split("."))))
        hops[f"{place}_port"][1] = columns[f"connection.{place}.port"][0]
        hops[f"{place}_address"][1] = columns[f"connection.{place}.address"][0]
    columns["nat.index"][0] = 1
    return Batch(
        DELTA,
        batch.node,
        batch.boot,
        batch.seq,
        batch.window,
        columns,
        {"chains": Chains(np.array([2], np.uint8), hops)},
    )


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


def test_a_reused_tuple_is_another_connection() -> None:
    """Three connections of one tuple within a second: each client's end meets the server's end of its own time."""
    rows = [
        end(
            number + 10 * side,
            connection__opened_at_ns=number * SECOND // 10 + side,
            connection__closed=1,
            tx_bytes=number,
            rx_bytes=number,
        )
        for number in (1, 2, 3)
        for side, end in enumerate((client, server))
    ]
    flows = Site().join(1, batch_of(rows[::-1], 1))
    pairs = sorted((flow["client.tx_bytes"], flow["server.rx_bytes"]) for flow in flows)
    assert pairs == [(1, 1), (2, 2), (3, 3)]


def uses(
    times: list[tuple[float, float]], *, late: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of connections of one tuple by when the client's and the server's ends were opened, in milliseconds.

    :param late: so many servers at the end report a second later.
    """
    rows = [
        [
            end(
                number + 100 * side,
                connection__opened_at_ns=SECOND + int(opened[side] * 1e6),
                connection__closed=1,
                tx_bytes=number,
                rx_bytes=number,
            )
            for number, opened in enumerate(times, 1)
        ]
        for side, end in enumerate((client, server))
    ]
    return rows[0] + rows[1][: len(times) - late], rows[1][len(times) - late :]


@pytest.mark.parametrize("nodes", ["aa", "ab"], ids=["one_node", "two_nodes"])
def test_an_end_that_reports_in_the_next_second_shifts_no_others(nodes: str) -> None:
    """The last connection of a tuple in a second has its server's end in the next: all meet those of their own."""
    site = Site()
    both, rest = uses([(7 * number, 7 * number + 0.05) for number in range(1, 60)], late=1)
    ends = [
        [row for row in both if (row["connection.role"] == Role.SERVER) == (side == 1)] for side in (0, 1)
    ]
    flows = site.join(1, batch_of(ends[0], 1, node=nodes[0]), batch_of(ends[1], 1, node=nodes[1]))
    assert [flow["client.tx_bytes"] for flow in flows if flow["evidence"] != FlowEvidence.BOTH] == [59]
    flows += site.join(2, batch_of(rest, 2, node=nodes[1]))
    pairs = [
        (flow["client.socket.slot"], flow["server.socket.slot"] - 100)
        for flow in flows
        if flow["evidence"] == FlowEvidence.BOTH
    ]
    assert sorted(pairs) == [(number, number) for number in range(1, 60)]


def test_on_one_node_a_servers_end_is_never_before_its_clients() -> None:
    """The last packet of a handshake takes longer than the next use of the tuple: the order tells whose it is."""
    both, _ = uses([(10, 14), (15, 19), (20, 24)])
    flows = Site().join(1, batch_of(both, 1))
    assert all(flow["client.socket.slot"] == flow["server.socket.slot"] - 100 for flow in flows)
    assert len(flows) == 3


def test_a_servers_handshake_may_end_long_after_the_clients() -> None:
    """TCP_DEFER_ACCEPT: the server's end is there when the client's first byte is, nine seconds later."""
    site = Site()
    site.join(1, batch_of([client(connection__opened_at_ns=SECOND)], 1))
    (flow,) = site.join(10, batch_of([server(connection__opened_at_ns=10 * SECOND)], 10))
    assert flow["evidence"] == FlowEvidence.BOTH


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


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["client_first", "server_first"])
def test_the_time_of_opening_that_was_reported_first_stays(order: tuple[int, int]) -> None:
    """Whichever end reports first, in whatever second: all rows of the connection have that end's time."""
    site = Site()
    ends = [client, server]
    times = [700, 900]
    rows = (
        [ends[order[0]](connection__opened_at_ns=times[order[0]])],
        [end(connection__opened_at_ns=time) for end, time in zip(ends, times, strict=True)],
    )
    told = [flow for window, some in enumerate(rows, 1) for flow in site.join(window, batch_of(some, window))]
    assert [flow["connection.opened_at_ns"] for flow in told] == [times[order[0]]] * 2


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


def test_late_rows_keep_their_second() -> None:
    """Rows of the second before come first, as rows of their own, and bytes are counted once."""
    rows = [client(tx_bytes=1), client(tx_bytes=2, window__late_s=1), server(rx_bytes=2, window__late_s=1)]
    flows = Site().join(5, batch_of(rows, 5))
    assert [(flow["window.late_s"], flow["client.tx_bytes"], flow["server.rx_bytes"]) for flow in flows] == [
        (1, 2, 2),
        (0, 1, 0),
    ]


def test_an_end_of_this_second_joins_a_late_one() -> None:
    """A connection over the change of seconds, of which one end's last row is late: the last row rests on both."""
    flows = Site().join(5, batch_of([server(rx_bytes=2), client(tx_bytes=2, window__late_s=1)], 5))
    assert [(flow["window.late_s"], flow["evidence"]) for flow in flows] == [
        (1, FlowEvidence.ADDRESS),
        (0, FlowEvidence.BOTH),
    ]


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


@dataclass
class Connection:
    """A connection of the model: seconds in which each end reports, and how long after."""

    port: int
    opened: int
    seconds: int
    ends: tuple[bool, bool]
    lag: tuple[int, int]
    nodes: tuple[str, str]
    sums: dict[str, int] = field(default_factory=lambda: defaultdict(int))


connections = st.builds(
    Connection,
    port=st.integers(1, 3),
    opened=st.integers(0, 12),
    seconds=st.integers(1, 4),
    ends=st.sampled_from([(True, True), (True, True), (True, False), (False, True)]),
    lag=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    nodes=st.tuples(st.sampled_from("ab"), st.sampled_from("ab")),
)


def apart(script: list[Connection]) -> list[Connection]:
    """Those of one tuple follow each other, as in any kernel."""
    after: dict[int, int] = {}
    for connection in script:
        connection.opened = max(connection.opened, after.get(connection.port, 0))
        after[connection.port] = connection.opened + connection.seconds + 3
    return script


def reports(script: list[Connection]) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """Rows by the window in which they arrive, and node; bytes say whose they are."""
    rows: dict[int, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for number, connection in enumerate(script):
        near, far = ("10.0.0.5", connection.port), SERVER
        for side, seen in enumerate(connection.ends):
            for second in range(connection.seconds if seen else 0):
                local, peer = (near, far) if side == 0 else (far, near)
                row = socket_row(
                    *(local, peer, (Role.CLIENT, Role.SERVER)[side]),
                    socket__slot=2 * number + side,
                    socket__generation=1,
                    connection__opened=second == 0,
                    connection__closed=second == connection.seconds - 1,
                    connection__opened_at_ns=(connection.opened + 100) * SECOND + side,
                    tx_bytes=1 << second,
                )
                rows[connection.opened + second + connection.lag[side]][connection.nodes[side]].append(row)
    return rows


@settings(max_examples=60)
@given(st.lists(connections, max_size=12).map(apart))
def test_every_report_comes_out_once_beside_its_other_end(script: list[Connection]) -> None:
    """Ends that report in other seconds, from other nodes, once or not at all: each report is in one flow, with the
    socket of its own connection at the other end, and each connection is opened once."""
    site, flows = Site(), list[Flow]()
    arriving = reports(script)
    for window in range(max(arriving, default=0) + 10):
        batches = [batch_of(rows, window, node=node) for node, rows in arriving[window].items()]
        flows += site.join(window, *batches)
    sent: dict[int, int] = defaultdict(int)
    opened: Counter[int] = Counter()
    for flow in flows:
        sockets = {}
        for side, name in enumerate(("client", "server")):
            if flow[f"{name}.node"]:
                sockets[side] = flow[f"{name}.socket.slot"]
                assert sockets[side] % 2 == side
                sent[sockets[side]] += flow[f"{name}.tx_bytes"]
        numbers = {slot // 2 for slot in sockets.values()}
        assert len(numbers) == 1
        opened[numbers.pop()] += flow["connection.opened"]
    for number, connection in enumerate(script):
        for side, seen in enumerate(connection.ends):
            assert sent[2 * number + side] == ((1 << connection.seconds) - 1 if seen else 0)
        assert opened[number] == 1
    assert site.ledger.stages["join"].balanced
    assert len(site.joiner) == 0


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
