"""The checker of beds says what is wrong with flows, and is content with those that are right."""

from typing import Any

import pytest

from tests.beds.check import Case, compare, whole
from tests.beds.expected import expected_cases
from tests.beds.flows import Row
from tests.beds.truth import Ends, Exchange, join

CALLED = Ends("10.1.0.2", 40000, "10.9.0.1", 80)
TAKEN = Ends("10.1.1.1", 41000, "10.1.2.2", 8080)
HALFWAY = Ends("10.1.0.2", 40000, "10.9.0.2", 80)
EXCHANGE = Exchange("both", CALLED, TAKEN, 100, 9000, 1)


def hop(ends: Ends) -> dict[str, str | int]:
    """As a row has it."""
    names = ("source.address", "source.port", "destination.address", "destination.port")
    return dict(zip(names, ends, strict=True))


def row(**changes: Any) -> Row:
    """The one row of ``EXCHANGE``; a change to None leaves the column out, "_" stands for the dot."""
    right: Row = {
        "kind": "flow",
        "window": 5,
        "connection.id": 1,
        "client.address": "10.1.0.2",
        "client.port": 40000,
        "service.address": "10.9.0.1",
        "service.port": 80,
        "server.address": "10.1.2.2",
        "server.port": 8080,
        "nat": [hop(CALLED), hop(TAKEN)],
        "evidence": "both",
        "connection.opened": True,
        "connection.closed": True,
        "client.tx_bytes": 100,
        "client.rx_bytes": 9000,
        "server.tx_bytes": 9000,
        "server.rx_bytes": 100,
    }
    right |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in right.items() if value is not None}


def checked(*rows: Row, case: Case | None = None) -> list[str]:
    """What the checker says; all rows are of the bed."""
    return compare([case or whole(EXCHANGE, rewritten=True)], rows, lambda row: True)


def test_a_right_flow_passes() -> None:
    """In one row or in several: counters add up, flags count."""
    first = row(connection__closed=None, client__tx_bytes=40, server__rx_bytes=None, server__tx_bytes=None)
    last = row(window=6, connection__opened=None, client__tx_bytes=60, client__rx_bytes=None)
    assert checked(row()) == []
    assert checked(last, first) == []
    assert checked(row(), row(kind="delta", connection__id=7), {"kind": "ledger"}) == []


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"server__address": "10.1.2.3"}, "server is ('10.1.2.3', 8080)"),
        ({"server__port": 80}, "server is ('10.1.2.2', 80)"),
        ({"evidence": "nat"}, "evidence is nat, not both"),
        ({"nat": None}, "chain is []"),
        ({"nat": [hop(CALLED), hop(HALFWAY), hop(TAKEN)]}, "chain is "),
        ({"nat": [hop(CALLED), hop(HALFWAY)]}, "chain is "),
        ({"client__tx_bytes": 99}, "bytes of the client is (99, 9000), not (100, 9000)"),
        ({"server__rx_bytes": None}, "bytes of the server is (9000, 0), not (9000, 100)"),
        ({"connection__opened": None}, "opened is 0, not 1"),
        ({"connection__closed": None}, "closed is 0, not 1"),
        ({"connection__failed": True}, "failed is 1, not 0"),
        ({"bytes_unaccounted": -3}, "unaccounted is (-3, 0), not (0, 0)"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], wrong: str) -> None:
    """One wrong column, one sentence about it."""
    (failure,) = checked(row(**changes))
    assert wrong in failure


@pytest.mark.parametrize("changed", ["client__address", "client__port", "service__address", "service__port"])
def test_a_flow_of_somebody_else_is_a_phantom(changed: str) -> None:
    """A wrong client or service: the connection is missing, and one is there that never was."""
    missing, phantom = checked(row(**{changed: 1 if changed.endswith("port") else "10.1.0.9"}))
    assert missing.endswith("0 flows")
    assert phantom.startswith("phantom: ")


def test_a_connection_told_twice_is_wrong() -> None:
    """Each end apart is not what happened."""
    assert checked(row(), row(connection__id=2)) == [f"both {CALLED}: 2 flows"]


def test_rows_that_contradict_are_wrong() -> None:
    """A backend that was another one at first."""
    first = row(server__address="10.1.2.3", connection__closed=None, client__tx_bytes=0, server__tx_bytes=0)
    last = row(window=6, connection__opened=None, client__rx_bytes=0, server__rx_bytes=0)
    assert "stories is 2" in " ".join(checked(first, last))


def test_other_peoples_flows_are_left_aside() -> None:
    """Only rows of the bed are compared."""
    other = row(connection__id=2, client__address="192.0.2.1")
    ours = lambda row: row["client.address"].startswith("10.1.")  # noqa: E731 - one line
    assert compare([whole(EXCHANGE, rewritten=True)], [row(), other], ours) == []


CLIENT_ONLY = {"server__tx_bytes": None, "server__rx_bytes": None}
SERVER_ONLY = {"client__tx_bytes": None, "client__rx_bytes": None}
AS_CALLED = {"server__address": "10.9.0.1", "server__port": 80, "nat": None, "evidence": "address"}
AS_TAKEN = {
    "client__address": "10.1.1.1",
    "client__port": 41000,
    "service__address": "10.1.2.2",
    "service__port": 8080,
    "nat": None,
    "evidence": "address",
}


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        (Case(EXCHANGE, (CALLED, TAKEN), server=False, evidence="nat"), {**CLIENT_ONLY, "evidence": "nat"}),
        (Case(EXCHANGE, (CALLED, TAKEN), client=False, evidence="nat"), {**SERVER_ONLY, "evidence": "nat"}),
        (Case(EXCHANGE, (CALLED,), server=False, evidence="address"), {**CLIENT_ONLY, **AS_CALLED}),
        (Case(EXCHANGE, (TAKEN,), client=False, evidence="address"), {**SERVER_ONLY, **AS_TAKEN}),
    ],
)
def test_who_sees_less_must_say_less(case: Case, changes: dict[str, Any]) -> None:
    """With one end, or without the NAT entry, the flow is what that end can know; more would be invented."""
    assert checked(row(**changes), case=case) == []
    assert checked(row(), case=case) != []


def test_adopted_connections_count_their_last_half() -> None:
    """The first half was before the start."""
    halves = {
        "connection__opened": None,
        "client__tx_bytes": 50,
        "client__rx_bytes": 4500,
        "server__tx_bytes": 4500,
        "server__rx_bytes": 50,
    }
    case = Case(EXCHANGE, (CALLED, TAKEN), adopted=True)
    assert checked(row(**halves), case=case) == []
    assert checked(row(), case=case) != []


FIRST_TABLE = {CALLED: HALFWAY}
SECOND_TABLE = {HALFWAY: TAKEN}


@pytest.mark.parametrize(
    ("tables", "ends", "expected"),
    [
        ([FIRST_TABLE, SECOND_TABLE], (True, True), [((CALLED, HALFWAY, TAKEN), True, True, "both")]),
        ([FIRST_TABLE, SECOND_TABLE], (True, False), [((CALLED, HALFWAY, TAKEN), True, False, "nat")]),
        ([SECOND_TABLE], (False, True), [((HALFWAY, TAKEN), False, True, "nat")]),
        ([], (True, False), [((CALLED,), True, False, "address")]),
        (
            [FIRST_TABLE],
            (True, True),
            [((CALLED, HALFWAY), True, False, "nat"), ((TAKEN,), False, True, "address")],
        ),
    ],
)
def test_what_can_be_seen_follows_from_tables_and_ends(
    tables: list[dict[Ends, Ends]], ends: tuple[bool, bool], expected: list[tuple[Any, ...]]
) -> None:
    """Ends are joined only by who knows every entry between them."""
    cases = expected_cases([EXCHANGE], tables, lambda exchange: ends)
    assert [(case.chain, case.client, case.server, case.evidence) for case in cases] == expected


def test_an_address_that_reports_is_known_as_such() -> None:
    """The client's own address stays in DNAT, so its server knows the address of a socket that reports."""
    taken = Ends(*CALLED[:2], *TAKEN[2:])
    one, other = expected_cases([EXCHANGE._replace(server=taken)], [], lambda exchange: (True, True))
    assert (one.evidence, other.evidence) == ("address", "server")


def line(**changes: Any) -> dict[str, Any]:
    """A line of a client's log."""
    called = {"id": 1, "scene": "dnat", "called_address": "X", "called_port": 80, "connect_ns": 5}
    names = {"local_address": "A", "local_port": 4, "peer_address": "X", "peer_port": 80}
    return called | names | {"tx_bytes": 3, "rx_bytes": 7} | changes


TAKEN_LINE = {
    "id": 1,
    "local_address": "B",
    "local_port": 8080,
    "peer_address": "A",
    "peer_port": 4,
    "tx_bytes": 7,
    "rx_bytes": 3,
}


def test_logs_are_joined_by_id() -> None:
    """The truth is what both logs say together."""
    exchange = Exchange("dnat", Ends("A", 4, "X", 80), Ends("A", 4, "B", 8080), 3, 7, 5)
    assert join([line()], [TAKEN_LINE]) == [exchange]


@pytest.mark.parametrize(
    "servers",
    [[], [TAKEN_LINE, TAKEN_LINE], [TAKEN_LINE | {"id": 2}], [TAKEN_LINE | {"rx_bytes": 2}]],
)
def test_logs_that_disagree_are_no_truth(servers: list[dict[str, Any]]) -> None:
    """A connection missing, taken twice, of somebody else, or with other bytes."""
    with pytest.raises(ValueError, match=r"connections were made|bytes differ"):
        join([line()], servers)
