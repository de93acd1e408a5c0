"""Ways through proxies: a chain of two, in the map and in tables; and what fails at a proxy itself, which stays."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from model.kinds.request import Via
from model.kinds.workload import OTHER, Workload
from store.queries.questions import QUESTIONS, ask, parameters_of
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.store.segments.made import BEGIN, second
from tests.unit.store.segments.made_requests import requests

#: web asks one proxy, which asks the second one, before cart, and asks db itself.
WEB, FIRST, SECOND, CART, DB = range(1, 6)
ENDS = [OTHER, *(Workload(name, "systemd") for name in ("web", "first", "second", "cart", "db"))]
VIAS = [Via(), Via("first"), Via("second")]
GOOD = {"method": 1, "route": 1, "status": 200, "requests": 10}
BAD = {"method": 1, "route": 2, "status": 503, "requests": 2, "requests.failed": 2}
#: Requests by client, server and port.
Hops = dict[tuple[int, int, int], list[dict[str, int]]]
HOPS: Hops = {
    (WEB, FIRST, 80): [GOOD, BAD],
    (FIRST, SECOND, 81): [GOOD],
    (SECOND, CART, 82): [GOOD],
    (FIRST, DB, 83): [BAD],
}
TIMES = {"via.before_ns": 100, "via.upstream_ns": 700, "via.after_ns": 200}
PASSED = [
    {"client": WEB, "server": SECOND, "port": 81, "via": 1, **GOOD, **TIMES},
    {"client": WEB, "server": DB, "port": 83, "via": 1, **BAD},
    {"client": FIRST, "server": CART, "port": 82, "via": 2, **GOOD, "via.before_ns": 5},
]


def store_of(
    more: Hops | None = None,
    passed: Sequence[dict[str, int]] = (),
    refused: tuple[int, int, int] | None = None,
) -> RowsStore:
    """One second of it.

    :param more: further requests by hop, of which proxies passed on what ``passed`` says.
    :param refused: the hop of which seven connects failed.
    """
    hops: Hops = dict(HOPS)
    for hop, each in (more or {}).items():
        hops[hop] = [*hops.get(hop, []), *each]
    asked = [
        {"client": hop[0], "server": hop[1], "port": hop[2], **one}
        for hop, each in hops.items()
        for one in each
    ]
    edges = []
    for (client, server, port), each in hops.items():
        sums = Counter({"connections.opened": 1, "sent_segments": 50, "retransmitted_segments": port - 80})
        if refused == (client, server, port):
            sums["connections.failed"] = 7
        for one in each:
            sums.update({name: one.get(name, 0) for name in ("requests", "requests.failed")})
        edges.append(
            {
                "client": client,
                "server": server,
                "port": port,
                "network.transport": 6,
                "rtt": 1_000_000 << port - 80,
                **sums,
            }
        )
    batch = requests(BEGIN, [*asked, *PASSED, *passed], 0)
    named = batch.with_tables(workloads=ENDS, vias=VIAS)
    return RowsStore([second(BEGIN, edges, 0).with_tables(workloads=ENDS)], requests=[named])


def data(store: RowsStore, name: str, **said: str) -> Any:
    """The answer, as JSON has it."""
    question = QUESTIONS[name]
    words = {"from": [str(BEGIN)], "to": [str(BEGIN + 10)]} | {key: [value] for key, value in said.items()}
    answered = ask(store, question, parameters_of(question, words), float(BEGIN + 10))
    return msgspec.json.decode(msgspec.json.encode(answered.data))


def lines(found: Any) -> dict[tuple[str, str, int], tuple[int, int]]:
    """Requests and failures of the edges of a map, by their ends."""
    keys = {node["id"]: node["key"] for node in found["nodes"]}
    return {
        (keys[edge["from"]], keys[edge["to"]], edge["port"]): (edge["requests"], edge["requests_failed"])
        for edge in found["edges"]
    }


def test_a_chain_of_proxies_is_one_edge() -> None:
    """From who asked to who answered; its proxies are no nodes."""
    found = data(store_of(), "map", proxies="folded")
    assert lines(found) == {("web", "cart", 82): (10, 0), ("web", "db", 83): (2, 2)}
    assert {node["key"] for node in found["nodes"]} == {"web", "cart", "db"}
    assert lines(data(store_of(), "map"))["web", "first", 80] == (12, 2)


def test_a_path_tells_each_hop_and_where_the_time_went() -> None:
    """Round-trip times and retransmissions are those of the hops' own connections."""
    rows = data(store_of(), "edges", proxies="folded")["rows"]
    (path,) = next(row["edge"]["paths"] for row in rows if row["server"] == "cart")
    assert (path["via"], path["requests"], path["requests_failed"]) == (["first", "second"], 10, 0)
    assert [path[f"{part}_ns"] for part in ("before", "upstream", "after")] == [10, 70, 20]
    hops = [(hop["client"], hop["server"], hop["retransmits"], hop["sent"]) for hop in path["hops"]]
    assert hops == [("web", "first", 0, 50), ("first", "second", 1, 50), ("second", "cart", 2, 50)]
    for hop, rtt in zip(path["hops"], (1_000_000, 2_000_000, 4_000_000), strict=True):
        assert abs(hop["rtt_ns"]["p50"] - rtt) <= 0.1 * rtt
    plain = {row["edge"]["id"] for row in data(store_of(), "edges")["rows"]}
    assert {hop["id"] for hop in path["hops"]} < plain


@pytest.mark.parametrize("said", [{"edge": "web>cart"}, {"edge": "web>cart", "proxies": "folded"}])
def test_routes_of_two_that_have_no_connection_are_found(said: dict[str, str]) -> None:
    """Each once, with the proxy that was asked."""
    found = data(store_of(), "endpoints", **said)
    (row,) = found["endpoints"]
    assert (row["client"], row["server"], row["port"]) == ("web", "cart", 82)
    assert (row["route"], row["requests"], row["via"], found["requests"]) == ("/", 10, "first", 10)


def test_each_request_is_counted_once() -> None:
    """In the table without proxies as in the map."""
    found = data(store_of(), "endpoints", proxies="folded")
    assert (found["of"], found["requests"], found["failed"]) == (2, 12, 2)
    (row,) = data(store_of(), "endpoints", edge="web>first", by="client,server")["endpoints"]
    assert row["requests"] == 12


def test_what_a_proxy_answered_by_itself_stays_to_be_seen() -> None:
    """The first one has failures of its own: it is a node, and the second one is folded."""
    own = {**BAD, "requests": 1, "requests.failed": 1}
    found = data(store_of({(WEB, FIRST, 80): [own]}), "map", proxies="folded")
    assert lines(found) == {
        ("web", "first", 80): (13, 3),
        ("first", "db", 83): (2, 2),
        ("first", "cart", 82): (10, 0),
    }


def test_connects_to_a_proxy_that_fail_stay_to_be_seen() -> None:
    """Beside the ways, without the requests that are in these."""
    found = data(store_of(refused=(WEB, FIRST, 80)), "map", proxies="folded")
    assert lines(found) == {
        ("web", "first", 80): (0, 0),
        ("web", "cart", 82): (10, 0),
        ("web", "db", 83): (2, 2),
    }
    (failing,) = (edge for edge in found["edges"] if edge["port"] == 80)
    assert failing["failed"] == 7


def test_where_a_proxy_sent_requests_to_several_the_way_ends_there() -> None:
    """Which of them answered whose is not known."""
    four = {**GOOD, "requests": 4}
    both = {"client": FIRST, "server": DB, "port": 84, "via": 2, **four}
    store = store_of({(SECOND, DB, 84): [four]}, [both])
    found = lines(data(store, "map", proxies="folded"))
    assert found["web", "second", 81] == (10, 0)
