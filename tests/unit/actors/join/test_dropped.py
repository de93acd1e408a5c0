"""Drops of packets and the flows that they belong to, from whichever node and namespace they are told."""

from collections import Counter
from typing import Any

import numpy as np

from actors.join.joiner import Joiner
from actors.join.waiting_drops import LINGER
from model.addresses import address_bytes
from model.batch import Batch
from model.kinds.delta import Role
from model.kinds.drop import DROP, DropCategory, NetfilterHook
from model.ledger import Ledger
from tests.nat_events import End, batch_of, socket_row
from tests.unit.actors.join.site import CLIENT, SERVER, client, rewritten, server

ROUTER_NAMESPACE = 4026532301


def dropped(
    window: int, source: End = CLIENT, destination: End = SERVER, called: End | None = None, **values: Any
) -> Batch:
    """What a router tells: one kind of packets, three of them, dropped by a rule."""
    columns = DROP.empty(1)
    for begin, ends in (("", (source, destination)), ("connection.", (source, called or destination))):
        for end, (address, port) in zip(("source", "destination"), ends, strict=True):
            columns[f"{begin}{end}.address"][0] = np.void(address_bytes(address))
            columns[f"{begin}{end}.port"][0] = port
    said: dict[str, Any] = {
        "network.transport": 6,
        "network.type": 4,
        "drops": 3,
        "drop.category": DropCategory.NETFILTER,
        "drop.reason": b"NETFILTER_DROP",
        "drop.function": b"nft_do_chain",
        "netfilter.hook": NetfilterHook.FORWARD,
        "netns.id": ROUTER_NAMESPACE,
    } | {name.replace("__", "."): value for name, value in values.items()}
    for name, value in said.items():
        columns[name][0] = value
    return Batch(DROP, "router", "boot", 0, window, columns)


def joined(join: Joiner, window: int, *batches: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of flows and of drops of a window."""
    for batch in batches:
        join.add(batch)
    made = [(batch.kind, row) for batch in join.close(window) for row in batch.rows()]
    flows, drops = ([row for kind, row in made if (kind is DROP) == wanted] for wanted in (False, True))
    return flows, drops


def joiner() -> Joiner:
    return Joiner("site", "boot", Ledger(), flows=64)


def test_a_connect_that_timed_out_says_why() -> None:
    """Another node dropped its packets, seconds before it gave up."""
    join = joiner()
    (first,), _ = joined(join, 1, batch_of([client(connection__state=2)], 1, node="n"))
    assert "drop.message" not in first
    _, (drop,) = joined(join, 2, dropped(2))
    (failed,), _ = joined(join, 9, batch_of([client(connection__failed=1, error__errno=110)], 9, node="n"))
    assert failed["dropped_segments"] == 3
    assert (
        failed["drop.message"]
        == f"dropped by netfilter in namespace {ROUTER_NAMESPACE} of router, hook FORWARD"
    )
    assert (failed["drop.category"], failed["drop.reason"]) == ("netfilter", "NETFILTER_DROP")
    assert (failed["drop.node"], failed["drop.netns"]) == ("router", str(ROUTER_NAMESPACE))
    assert drop["connection.id"] == failed["connection.id"]


def test_drops_of_the_same_second_and_of_before_the_first_row_are_the_flows_own() -> None:
    join = joiner()
    joined(join, 1, dropped(1))
    (flow,), (drop,) = joined(join, 2, batch_of([client()], 2, node="n"), dropped(2))
    assert flow["dropped_segments"] == 6
    assert drop["connection.id"] == flow["connection.id"]


def test_each_drop_is_in_one_row() -> None:
    join = joiner()
    joined(join, 1, batch_of([client()], 1, node="n"))
    (flow,), _ = joined(join, 2, batch_of([client()], 2, node="n"), dropped(2))
    assert flow["dropped_segments"] == 3
    (flow,), _ = joined(join, 3, batch_of([client()], 3, node="n"))
    assert "dropped_segments" not in flow
    assert flow["drop.category"] == "netfilter"


def test_each_of_two_reasons_gets_its_part_of_a_flows_drops() -> None:
    """A row has one reason; what that has too much in one second is the other's in a later one."""
    join = joiner()
    joined(join, 1, batch_of([client()], 1, node="n"))
    told: Counter[str] = Counter()
    for window in range(2, 12):
        batches = (
            dropped(window, drops=60),
            dropped(window, drops=40, drop__category=DropCategory.QDISC, drop__reason=b"QDISC_DROP"),
        )
        (flow,), _ = joined(join, window, batch_of([client()], window, node="n"), *batches)
        assert flow["dropped_segments"] == 100
        told[flow["drop.reason"]] += flow["dropped_segments"]
        seconds = window - 1
        assert abs(told["NETFILTER_DROP"] - 60 * seconds) < 100
    assert told == {"NETFILTER_DROP": 600, "QDISC_DROP": 400}


def test_a_flow_on_a_place_that_had_another_begins_with_its_own_reasons() -> None:
    join = Joiner("site", "boot", Ledger(), flows=1)
    qdisc: dict[str, Any] = {"drop__category": DropCategory.QDISC, "drop__reason": b"QDISC_DROP"}
    joined(join, 1, batch_of([client()], 1, node="n"), dropped(1, drops=7), dropped(1, drops=6, **qdisc))
    other = ("10.0.0.9", 999)
    of_other = socket_row(other, SERVER, Role.CLIENT, socket__slot=2, socket__generation=1)
    joined(join, 2, batch_of([of_other], 2, node="n"))
    rows = [
        joined(join, window, batch_of([of_other], window, node="n"), dropped(window, other, drops=1))[0]
        for window in (3, 4)
    ]
    assert [flow["drop.reason"] for (flow,) in rows] == ["NETFILTER_DROP"] * 2


def test_answers_are_of_the_flow_as_well() -> None:
    join = joiner()
    joined(join, 1, batch_of([client()], 1, node="n"))
    (flow,), _ = joined(join, 2, batch_of([client()], 2, node="n"), dropped(2, SERVER, CLIENT))
    assert flow["dropped_segments"] == 3


def test_behind_dnat_the_tuple_that_was_called_leads_to_the_flow() -> None:
    """The packet has the tuple behind it; its connection never came to be, so nobody knows of a rewriting."""
    join = joiner()
    behind = ("10.9.9.9", 2601)
    joined(join, 1, batch_of([client()], 1, node="n"))
    (flow,), _ = joined(join, 2, batch_of([client()], 2, node="n"), dropped(2, CLIENT, behind, called=SERVER))
    assert flow["dropped_segments"] == 3


def test_before_dnat_the_tuple_that_was_called_leads_to_the_flow() -> None:
    join = joiner()
    service = ("10.96.0.1", 80)
    rows = rewritten(batch_of([client()], 1, node="n"), service)
    joined(join, 1, rows, batch_of([server()], 1, node="m"))
    (flow,), _ = joined(
        join, 2, rewritten(batch_of([client()], 2, node="n"), service), dropped(2, CLIENT, service)
    )
    assert flow["dropped_segments"] == 3


def test_drops_of_no_connection_are_rows_of_their_own_and_wait_for_none_for_ever() -> None:
    join = joiner()
    _, (drop,) = joined(join, 1, dropped(1))
    assert "connection.id" not in drop
    for window in range(2, 3 + LINGER):
        joined(join, window)
    (flow,), _ = joined(join, 3 + LINGER, batch_of([client()], 3 + LINGER, node="n"))
    assert "dropped_segments" not in flow
