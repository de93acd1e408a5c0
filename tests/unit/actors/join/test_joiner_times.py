"""The joiner: whose end is whose where only time tells, and rows that come late."""

from typing import Any

import pytest

from model.kinds.delta import Role
from model.kinds.flow import FlowEvidence
from tests.nat_events import batch_of
from tests.unit.actors.join.site import SECOND, Site, client, server


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
