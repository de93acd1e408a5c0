"""The map of a small fleet: status, reasons, sums and changes, counted apart from the code that answers."""

from collections import Counter
from typing import Any

import pytest

from model.errors import UsageError
from store.queries.errors import NotFoundError
from store.reading import Window
from tests.unit.store.queries.fleets import BEGIN, MINUTE, data, two_minutes
from tests.unit.store.queries.rows_store import RowsStore


@pytest.fixture(scope="module")
def store() -> RowsStore:
    return two_minutes()


def node(answer: dict[str, Any], name: str) -> dict[str, Any]:
    found = [each for each in answer["nodes"] if each["name"] == name]
    assert len(found) == 1, name
    return dict(found[0])


def edge(answer: dict[str, Any], client: str, server: str) -> dict[str, Any]:
    ends = (node(answer, client)["id"], node(answer, server)["id"])
    found = [each for each in answer["edges"] if (each["from"], each["to"]) == ends]
    assert len(found) == 1
    return dict(found[0])


def rows(store: RowsStore, begin: int, client: str, server: str) -> list[dict[str, int]]:
    """Numbers of the rows of a minute between two names."""
    window = Window(begin, begin + MINUTE)
    return [row[5] for row in store.within(window) if (row[1].name, row[2].name) == (client, server)]


def test_edges_have_the_sums_of_their_rows(store: RowsStore) -> None:
    answer = data(store, "map", budget=500, hops=4, fan=500, select=["frontend"])
    counted: dict[tuple[str, str], Counter[str]] = {}
    for row in store.within(Window(BEGIN + MINUTE, BEGIN + 2 * MINUTE)):
        counted.setdefault((row[1].name, row[2].name), Counter()).update(row[5])
    assert len(answer["edges"]) == len(counted)
    for (client, server), sums in counted.items():
        found = edge(answer, client, server)
        assert (found["bytes"], found["reply_bytes"]) == (sums["bytes"], sums["reply_bytes"])
        assert (found["opened"], found["failed"]) == (sums["connections.opened"], sums["connections.failed"])
        assert found["failures"] == (
            {"refused": sums["connections.failed"]} if sums["connections.failed"] else {}
        )
        assert found["sent"] == sums["sent_segments"]
        assert found["connect_ns"]["p99"] >= found["connect_ns"]["p50"] > 0


def test_who_fails_says_so_in_words_and_who_calls_it_is_degraded(store: RowsStore) -> None:
    answer = data(store, "map", select=["checkoutservice"], hops=1)
    numbers = [
        each for client in ("frontend",) for each in rows(store, BEGIN + MINUTE, client, "checkoutservice")
    ]
    failed = sum(each["connections.failed"] for each in numbers)
    attempts = failed + sum(each["connections.opened"] for each in numbers)
    checkout = node(answer, "checkoutservice")
    assert (checkout["status"], checkout["hop"], checkout["why"]) == ("failing", 0, None)
    said = f"failed {100 * failed / attempts:.0f} % of {attempts} opens"
    assert checkout["reasons"] == [said]
    assert node(answer, "frontend")["status"] == "degraded"
    assert node(answer, "frontend")["reasons"] == [f"calls of boutique/checkoutservice:5050: {said}"]
    assert edge(answer, "frontend", "checkoutservice")["reasons"] == [said, f"{failed} refused"]
    assert node(answer, "cartservice")["status"] == "ok"
    assert node(answer, "frontend")["column"] < checkout["column"] < node(answer, "cartservice")["column"]


def test_shown_and_left_out_are_all_within_reach(store: RowsStore) -> None:
    whole = data(store, "map", select=["frontend"], hops=4, budget=500, fan=500)
    few = data(store, "map", select=["frontend"], hops=4, budget=5)
    assert whole["of"] == whole["shown"] == len(whole["nodes"])
    assert (few["shown"], few["shown"] + few["left_out"], few["truncated_by"]) == (5, whole["of"], "budget")
    assert {"frontend", "checkoutservice"} <= {each["name"] for each in few["nodes"]}


def test_up_is_who_calls_and_down_is_who_is_called(store: RowsStore) -> None:
    up = data(store, "map", select=["cartservice"], hops=1, direction="up")
    assert {each["name"] for each in up["nodes"]} == {"cartservice", "frontend", "checkoutservice"}
    down = data(store, "map", select=["cartservice"], hops=1, direction="down")
    assert {each["name"] for each in down["nodes"]} == {"cartservice", "redis-cart"}
    assert node(down, "redis-cart")["why"] == {
        "edge": edge(down, "cartservice", "redis-cart")["id"],
        "path": [node(down, "cartservice")["id"], node(down, "redis-cart")["id"]],
    }


def test_compared_with_before_edges_are_new_gone_changed_or_the_same(store: RowsStore) -> None:
    answer = data(
        store, "map", select=["frontend", "cartservice"], hops=1, against="-60s", budget=500, fan=500
    )
    gone = edge(answer, "frontend", "adservice")
    assert (gone["change"]["state"], gone["status"], gone["opened"]) == ("gone", "silent", 0)
    assert (node(answer, "adservice")["status"], node(answer, "adservice")["change"]) == ("silent", "gone")
    assert edge(answer, "cartservice", "redis-cart")["change"]["state"] == "new"
    assert node(answer, "redis-cart")["change"] == "new"
    failing = edge(answer, "frontend", "checkoutservice")["change"]
    assert failing["state"] == "changed"
    assert failing["what"].startswith("failed 0 % → ")
    assert list(failing["failed"]) == [
        sum(each["connections.failed"] for each in rows(store, begin, "frontend", "checkoutservice"))
        for begin in (BEGIN, BEGIN + MINUTE)
    ]
    assert edge(answer, "frontend", "cartservice")["change"]["state"] == "same"


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("zone", {"a", "b", "c"}),
        ("namespace", {"boutique", "ingress", "unknown"}),
        ("node", {"n0", "n1", "n2"}),
    ],
)
def test_nodes_may_be_zones_namespaces_or_machines(store: RowsStore, group: str, names: set[str]) -> None:
    answer = data(store, "map", group=group)
    found = {each["name"] for each in answer["nodes"]}
    assert names <= found | {"unknown"}
    total = sum(each["bytes"] for each in answer["edges"])
    window = Window(BEGIN + MINUTE, BEGIN + 2 * MINUTE)
    assert total == sum(row[5]["bytes"] for row in store.within(window))


def test_versions_are_told_apart(store: RowsStore) -> None:
    answer = data(store, "map", group="version", select=["checkoutservice"], hops=1)
    assert node(answer, "checkoutservice@v2.12a")["status"] == "failing"
    assert node(answer, "checkoutservice@v2.11")["status"] == "ok"
    assert node(answer, "checkoutservice@v2.12a")["versions"] == ["v2.12a"]


def test_a_filter_leaves_the_edges_that_match(store: RowsStore) -> None:
    answer = data(store, "map", q="failed>0")
    assert {each["name"] for each in answer["nodes"]} == {"frontend", "checkoutservice"}
    hidden = data(store, "map", select=["paymentservice"], hops=1, hide=["kind:address"])
    assert {each["name"] for each in hidden["nodes"]} == {"paymentservice", "checkoutservice"}
    by_pod = data(store, "map", q="server.pod:redis-cart-*")
    assert {each["name"] for each in by_pod["nodes"]} == {"cartservice", "redis-cart"}
    by_network = data(store, "map", q="server.image:shop/redis-cart:* address:10.8.0.0/16")
    assert {each["name"] for each in by_network["nodes"]} == {"cartservice", "redis-cart"}


def test_what_is_not_there_is_said_with_what_is_meant(store: RowsStore) -> None:
    with pytest.raises(NotFoundError, match=r"no workload chekoutservice: did you mean .*checkoutservice"):
        data(store, "map", select=["chekoutservice"])
    with pytest.raises(UsageError, match="more than the budget"):
        data(store, "map", select=["*"], budget=3)
    with pytest.raises(UsageError, match="workloads have no 'prot'"):
        data(store, "map", q="prot:1")
