"""Tables of the small fleet: edges, changes, shares of failures, series, ways, moments, values."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.fleet import boutique, second
from model.errors import UsageError
from store.queries.errors import NotFoundError
from store.reading import Gap, Instances, Window
from tests.unit.store.queries.fleets import BAD_VERSION, BEGIN, MINUTE, NOW, data, instances_of, two_minutes
from tests.unit.store.queries.rows_store import RowsStore


@pytest.fixture(scope="module")
def store() -> RowsStore:
    return two_minutes()


def now(store: RowsStore) -> list[Any]:
    return store.within(Window(BEGIN + MINUTE, BEGIN + 2 * MINUTE))


def test_pages_of_edges_are_all_edges_in_order(store: RowsStore) -> None:
    sums: Counter[tuple[str, str]] = Counter()
    for row in now(store):
        sums[row[1].name, row[2].name] += row[5]["bytes"] + row[5]["reply_bytes"]
    found, cursor = [], ""
    while True:
        page = data(store, "edges", limit=5, cursor=cursor)
        assert page["of"] == len(sums)
        found += page["rows"]
        cursor = page["cursor"]
        if cursor is None:
            break
    moved = [row["edge"]["bytes"] + row["edge"]["reply_bytes"] for row in found]
    assert moved == sorted(sums.values(), reverse=True)
    names = {(row["client"].rpartition("/")[2], row["server"].rpartition("/")[2]) for row in found}
    assert names == set(sums)


@pytest.mark.parametrize("sort", ["failed", "-opened", "p99", "retransmits", "score"])
def test_edges_are_sorted_by_what_was_said(store: RowsStore, sort: str) -> None:
    rows = data(store, "edges", sort=sort)["rows"]
    key = sort.removeprefix("-")
    if key in ("failed", "opened"):
        values = [row["edge"][key] for row in rows]
        assert values == sorted(values, reverse=not sort.startswith("-"))
    assert rows


def test_an_edge_is_named_by_its_id_and_by_its_ends(store: RowsStore) -> None:
    row = data(store, "edges", q="client.workload:frontend server.workload:checkoutservice")["rows"][0]
    by_id = data(store, "series", edge=row["edge"]["id"], metrics="failed")
    by_name = data(store, "series", edge="boutique/frontend>checkoutservice:5050", metrics="failed")
    assert by_id == by_name
    expected = Counter({row[0]: 0 for row in now(store)})
    for each in now(store):
        if (each[1].name, each[2].name) == ("frontend", "checkoutservice"):
            expected[each[0]] += each[5]["connections.failed"]
    assert by_id["begins_s"] == list(range(BEGIN + MINUTE, BEGIN + 2 * MINUTE))
    assert by_id["columns"]["failed"] == [expected[at] for at in by_id["begins_s"]]
    with pytest.raises(UsageError, match="is no edge"):
        data(store, "series", edge="frontend")


def test_steps_add_up_and_what_is_not_known_is_null(store: RowsStore) -> None:
    fine = data(store, "series", metrics="bytes,opened,p99")
    coarse = data(store, "series", metrics="bytes,opened", step=10)
    assert coarse["step_s"] == 10
    for name in ("bytes", "opened"):
        values = fine["columns"][name]
        assert coarse["columns"][name] == [sum(values[at : at + 10]) for at in range(0, MINUTE, 10)]
    gap = RowsStore([], gaps=[])
    gap.rows, gap.ids, gap.edge_ids = store.rows, store.ids, store.edge_ids
    gap._lives = store._lives
    gap._gaps = [Gap("", BEGIN + MINUTE + 5, BEGIN + MINUTE + 15, "not_stored")]
    holed = data(gap, "series", metrics="bytes")["columns"]["bytes"]
    assert [place for place, value in enumerate(holed) if value is None] == list(range(5, 15))


def test_changes_are_ranked_by_surprise_and_counted(store: RowsStore) -> None:
    answer = data(store, "diff")
    assert answer["against"]["from"] == BEGIN
    scores = [row["score"] for row in answer["rows"]]
    assert scores == sorted(scores, reverse=True)
    names = {(row["client"].rpartition("/")[2], row["server"].rpartition("/")[2]) for row in answer["rows"]}
    assert {
        ("frontend", "adservice"),
        ("cartservice", "redis-cart"),
        ("frontend", "checkoutservice"),
    } <= names
    assert answer["new"] == 1
    assert answer["gone"] == 1
    assert answer["of"] == answer["new"] + answer["gone"] + answer["changed"]
    assert {row["edge"]["change"]["state"] for row in data(store, "diff", state="new")["rows"]} == {"new"}


def test_failures_are_found_in_the_version_that_has_them(store: RowsStore) -> None:
    answer = data(store, "where", edge="frontend>checkoutservice:5050")
    failed = sum(row[5]["connections.failed"] for row in now(store))
    assert answer["failed"] == failed > 0
    first = answer["by"][0]
    assert first["attribute"] == "server.version"
    assert (first["values"][0]["value"], first["values"][0]["share"]) == (BAD_VERSION, 1.0)
    opens = Counter[str]()
    for row in now(store):
        if (row[1].name, row[2].name) == ("frontend", "checkoutservice"):
            opens[row[2].version] += row[5]["connections.opened"] + row[5]["connections.failed"]
    assert first["values"][0]["attempts"] == opens[BAD_VERSION]
    assert first["values"][0]["lift"] == round(opens.total() / opens[BAD_VERSION], 3)
    assert first["values"][0]["low"] < 0.6 < first["values"][0]["high"]


def test_ways_through_nat_say_who_rewrote_and_whose_the_address_is(store: RowsStore) -> None:
    answer = data(store, "nat", select=["paymentservice"])
    assert answer["of"] == len(answer["chains"]) > 1
    first = answer["chains"][0]
    assert first["flows"] == max(chain["flows"] for chain in answer["chains"])
    assert [hop["rewritten_by"] for hop in first["hops"]] == ["", "n3"]
    assert first["hops"][0]["dst"] == "10.96.0.17:50051"
    assert first["hops"][1]["service"] == "boutique/paymentservice"
    assert data(store, "nat", select=["adservice"], window="120s")["chains"] == []


def test_what_lies_before_the_store_is_no_change(store: RowsStore) -> None:
    answer = data(store, "diff", window="120s", against=BEGIN + MINUTE, state=["same"])
    steady = {(row["client"], row["server"]) for row in answer["rows"]}
    assert ("boutique/frontend", "boutique/currencyservice") in steady
    assert answer["same"] > answer["changed"], "the other window has a minute of which nothing is known"


@pytest.mark.parametrize(("nodes", "said"), [(1, "n0"), (2, "")])
def test_who_rewrote_is_said_where_one_node_alone_reports(nodes: int, said: str) -> None:
    hops = data(two_minutes(nodes, rewriter=""), "nat", select=["paymentservice"])["chains"][0]["hops"]
    assert [hop["rewritten_by"] for hop in hops] == ["", said]


def all_of(store: RowsStore) -> Instances:
    return store.instances(Window(0, 1 << 40))


def test_instances_have_node_image_and_their_time_within_the_window(store: RowsStore) -> None:
    answer = data(store, "instances", select=["boutique/checkoutservice"])
    truth = all_of(store)
    names = {id_: one.name for one, id_ in store.ids.items()}
    mine = [
        (part.pod, part.node, part.image)
        for part, workload in zip(truth.parts, truth.workloads.tolist(), strict=True)
        if names[workload] == "checkoutservice"
    ]
    assert answer["of"] == len(answer["instances"]) == len(mine) > 2
    found = [(one["pod"], one["node"], one["image"]) for one in answer["instances"]]
    assert sorted(found) == sorted(mine)
    assert {one["key"] for one in answer["instances"]} == {"boutique/checkoutservice"}
    assert {(one["first_s"], one["last_s"]) for one in answer["instances"]} == {(BEGIN, NOW - 1)}
    early = data(store, "instances", select=["boutique/checkoutservice"], at=int(NOW) - MINUTE, limit=1)
    assert (early["of"], len(early["instances"])) == (len(mine), 1)
    assert early["instances"][0]["last_s"] == NOW - MINUTE - 1, "who came back later may do so"
    ends = data(store, "instances", edge=["boutique/checkoutservice>boutique/paymentservice"])
    assert {one["key"] for one in ends["instances"]} == {
        "boutique/checkoutservice",
        "boutique/paymentservice",
    }
    assert data(store, "instances")["of"] == len(truth)


def test_moments_are_what_came_and_went(store: RowsStore) -> None:
    answer = data(store, "moments", window="120s")
    assert [moment["text"] for moment in answer["moments"]] == [
        "n9: away",
    ]
    batches = two_minutes()
    batches.rows = [
        row
        for row in batches.rows
        if BAD_VERSION not in (row[1].version, row[2].version) or row[0] > BEGIN + 90
    ]
    for part, life in batches._lives.items():
        if part.version == BAD_VERSION:
            life[0] = BEGIN + 91
    found = data(batches, "moments", window="120s", select=["checkoutservice"])["moments"]
    version = next(moment for moment in found if moment["what"] == "version")
    assert (version["at"], version["key"]) == (BEGIN + 91, "boutique/checkoutservice")
    assert version["text"] == f"version {BAD_VERSION} of boutique/checkoutservice was first seen"
    after = data(batches, "map", against=f"deploy:{version['id']}", window="20s", select=["checkoutservice"])
    assert after["selection"]
    with pytest.raises(NotFoundError, match="deploy:v999"):
        data(batches, "map", against="deploy:v999")


def test_values_of_attributes_are_counted(store: RowsStore) -> None:
    zones = Counter(part.zone for part in store.ids if part.zone)
    answer = data(store, "attributes", key="zone")
    assert {value["value"]: value["workloads"] for value in answer["values"]} == dict(zones)
    pods = data(store, "attributes", key="pod", prefix="redis")
    assert all(value["value"].startswith("redis-cart-") for value in pods["values"])
    assert pods["of"] == 2
    regions = data(store, "attributes", key="region")
    assert {value["value"] for value in regions["values"]} == {"west", "east"}
    with pytest.raises(NotFoundError, match="no attribute colour"):
        data(store, "attributes", key="colour")


def test_the_cause_is_the_version_that_was_broken_since_the_second_it_was(store: RowsStore) -> None:
    """Beside shares: alone, against the minute before, and over the whole fleet; other attributes are cleared."""
    for said in ({"edge": "frontend>checkoutservice:5050"}, {"against": "-60s"}, {}):
        answer = data(store, "where", **said)
        (cause,) = answer["causes"]
        rows = [row for row in now(store) if row[2].version == BAD_VERSION]
        assert cause["where"] == {"server.version": BAD_VERSION}, said
        assert cause["bad"] == sum(row[5]["connections.failed"] for row in rows)
        assert cause["rate_inside"] == pytest.approx(0.6, abs=0.1)
        assert cause["rate_outside"] < 0.01
        assert cause["explains"] > 0.95
        assert abs(cause["began"] - (BEGIN + MINUTE)) <= 3
        assert "server.version" not in answer["not"]


def test_the_region_is_the_cause_where_all_of_its_zones_fail() -> None:
    """Two of three zones of a service are in it."""
    whole = boutique()
    zones = [part.zone if part.name == "currencyservice" else "" for part in whole.workloads]
    ill = np.isin(zones, ["a", "b"])[whole.servers]
    broken = replace(whole, failing=np.where(ill, 0.5, whole.failing))
    batches = [second(broken, BEGIN + at, at) for at in range(MINUTE)]
    store = RowsStore(batches, instances_of(RowsStore(batches)))
    answer = data(store, "where", edge="frontend>currencyservice:7000", at=str(BEGIN + MINUTE), window="60s")
    (cause,) = answer["causes"]
    assert cause["where"] == {"server.region": "west"}
    (by,) = (each for each in answer["by"] if each["attribute"] == "server.region")
    assert {value["value"]: value["failed"] > 0 for value in by["values"]} == {"west": True, "east": False}


def test_nothing_fails_nothing_is_explained(store: RowsStore) -> None:
    answer = data(store, "where", edge="frontend>currencyservice:7000")
    assert (answer["failed"], answer["causes"], answer["not"]) == (0, [], [])
