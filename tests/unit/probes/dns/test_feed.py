"""A second of packets that user space parses, as events: names, addresses, counted queries, and the ledger."""

import numpy as np
import pytest

from model.clock import SECOND_NS
from probes.dns.exchanges import CLIENT, EXCHANGE
from probes.dns.searches import Searches
from probes.kernel.namespaces import ChosenNamespaces
from tests.unit.probes.dns.bench import MS, NO_ANSWER, SLOTS, Bench, Gone
from tests.unit.probes.dns.packets import TCP, answer, question, record


def test_queries_that_are_alike_are_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    for number in range(3):
        bench.exchange(question("a.example", number=number), took_ms=2, netns=7)
    bench.exchange(question("a.example", "AAAA"), rcode="SERVFAIL")
    names, addresses, cells = bench.second()
    assert names == ["a.example"]
    assert len(addresses) == 1
    assert sorted(
        zip(cells["type"].tolist(), cells["rcode"].tolist(), cells["queries"].tolist(), strict=True)
    ) == [(1, 0, 3), (28, 2, 1)]
    one = cells[cells["type"] == 1][0]
    assert (int(one["latency_ns"]), int(one["netns"]), int(one["buckets"].sum())) == (6 * MS, 7, 3)
    assert bench.feed.stage.balanced
    assert bench.feed.stage.noted["packets_ring_full"] == 2


def test_an_address_is_told_with_who_asked_when_and_under_which_name(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    began = bench.now_ns
    bench.exchange(
        question("Web.Example"), took_ms=3, tgid=42, netns=7, cgroup_id=99, program=5, slot=8, generation=2
    )
    _, (one,), _ = bench.second()
    assert bench.name(one["name"]) == "web.example"
    assert bytes(one["address"])[12:] == bytes([192, 0, 2, 1])
    assert [int(one[name]) for name in ("tgid", "netns", "cgroup_id", "program", "ttl", "type")] == [
        42,
        7,
        99,
        5,
        60,
        1,
    ]
    assert int(one["header"]["at_ns"]) == began + 3 * MS
    assert int(one["header"]["slot"]) == 8


def test_an_address_under_two_names_is_told_twice_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    for number, name in enumerate(("a.example", "a.example", "b.example", "a.example")):
        bench.exchange(question(name, number=number), 10 * number, tgid=42)
    _, told, _ = bench.second()
    assert [bench.name(one["name"]) for one in told] == ["a.example", "b.example", "a.example"]


def test_what_servers_answer_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, asked = Bench(monkeypatch), question("a.example")
    bench.ask(asked, out=False)
    bench.ask(answer(asked, ["192.0.2.1"]), out=True)
    _, told, (cell,) = bench.second()
    assert not len(told)
    assert int(cell["role"]) == 2


def test_names_are_told_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    seen = []
    for number in range(3):
        bench.exchange(question("a.example", number=number))
        seen.append(bench.second()[0])
        bench.now_ns += 200 * SECOND_NS * number
    bench.exchange(question("a.example"))
    assert [*seen, bench.second()[0]] == [["a.example"], [], [], ["a.example"]]


def test_a_long_name_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    name = ".".join(["x" * 62] * 4)
    bench.exchange(question(name))
    assert bench.second()[0] == [name]


def test_private_names_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, fold=["*.corp.example"])
    for number, name in enumerate(("hr.corp.example", "Pay.Corp.example", "corp.example")):
        bench.exchange(question(name, number=number))
    names, _, cells = bench.second()
    assert names == ["*.corp.example", "corp.example"]
    assert {bench.name(cell["name"]): int(cell["queries"]) for cell in cells} == {
        "*.corp.example": 2,
        "corp.example": 1,
    }


def test_more_names_than_are_kept_are_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, names=16)
    for number in range(20):
        bench.exchange(question(f"n{number}.example", number=number))
    names, told, cells = bench.second()
    assert len(names) == 16
    assert len(told) == 1 + 15
    assert int(cells["queries"][cells["name"] == 1].sum()) == 4
    assert bench.feed.stage.noted["other_names"] == 4
    bench.now_ns += 400 * SECOND_NS
    bench.exchange(question("late.example"))
    assert bench.second()[0] == ["late.example"]


def test_a_search_list_is_told_from_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    walk = ("db.ns.svc.cluster.local", "db.svc.cluster.local", "db")
    for number, name in enumerate(walk):
        bench.exchange(question(name, number=number), 10 * number, rcode="NXDOMAIN", slot=number, tgid=42)
    bench.exchange(question("gone.example", number=9), 50, rcode="NXDOMAIN", tgid=42)
    bench.exchange(question("other.example", number=10), 60, tgid=42)
    bench.exchange(question("db.example", number=11), 25, rcode="NXDOMAIN", tgid=43)  # somebody else's
    _, _, cells = bench.second()
    noise = {bench.name(cell["name"]) for cell in cells if cell["search"]}
    assert noise == {"db.ns.svc.cluster.local", "db.svc.cluster.local"}


def test_a_search_list_that_goes_on_in_the_next_second_is_told_with_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, in a cell of the socket that is there; the query itself was counted already."""
    bench = Bench(monkeypatch)
    first, second = question("db.ns.svc.test", number=1), question("db.svc.test", number=2)
    bench.exchange(first, 900, rcode="NXDOMAIN", slot=1, tgid=42)
    _, _, (cell,) = bench.second()
    assert (int(cell["queries"]), int(cell["search"])) == (1, 0)
    bench.exchange(question("db.svc.test", number=3), 50, slot=3, tgid=43)  # somebody else's
    bench.ask(second, 100, slot=2, generation=7, tgid=42)
    cells = {bench.name(cell["name"]): cell for cell in bench.second()[2]}
    late = cells["db.ns.svc.test"]
    assert [int(late[name]) for name in ("queries", "search", "latency_ns", "rcode")] == [0, 1, 0, 3]
    assert (int(late["header"]["slot"]), int(late["header"]["generation"])) == (2, 7)
    assert (int(cells["db.svc.test"]["queries"]), int(cells["db.svc.test"]["search"])) == (1, 0)
    bench.ask(answer(second, [], "NXDOMAIN"), 100, out=False, slot=2, generation=7, tgid=42)
    bench.exchange(question("db.test", number=4), 200, slot=4, tgid=42)
    cells = {bench.name(cell["name"]): cell for cell in bench.second()[2]}
    assert {name: (int(cell["queries"]), int(cell["search"])) for name, cell in cells.items()} == {
        "db.svc.test": (1, 1),
        "db.test": (1, 0),
    }
    assert bench.feed.stage.balanced


def test_a_name_that_is_asked_for_late_follows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.exchange(question("db.ns.test", number=1), 500, rcode="NXDOMAIN", tgid=42)
    bench.second()
    bench.exchange(question("db.test", number=2), 502, tgid=42)
    assert bench.second()[2]["search"].tolist() == [0]


def test_of_more_names_than_are_remembered_the_latest_stay() -> None:
    searches, ended = Searches(most=2), np.zeros(3, EXCHANGE)
    ended["role"], ended["rcode"], ended["name"] = CLIENT, 3, [11, 12, 13]
    ended["label"], ended["answered_ns"] = [1, 2, 3], [700 * MS, 800 * MS, 900 * MS]
    assert not len(searches.mark(ended, ended[:0], SECOND_NS))
    after = ended.copy()
    after["rcode"], after["name"], after["asked_ns"] = 0, [21, 22, 23], SECOND_NS + MS
    late = searches.mark(after, after[:0], 2 * SECOND_NS)
    assert sorted(late["name"].tolist()) == [12, 13]
    assert searches.forgotten == 1


def test_a_flow_that_is_gone_ends_its_questions_in_the_same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.feed.flows = Gone()
    bench.ask(question("a.example"), slot=SLOTS + 3)
    _, _, (cell,) = bench.second()
    assert (int(cell["rcode"]), int(cell["queries"]), int(cell["buckets"].sum())) == (NO_ANSWER, 1, 0)


def test_an_answer_that_comes_while_the_end_of_its_socket_is_seen_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It passed before the socket was closed, and behind what was read last."""
    bench = Bench(monkeypatch)
    bench.ask(question("a.example"), slot=3)

    class Answered(Gone):
        def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
            bench.ask(answer(question("a.example")), slot=3, out=False)
            return super().live(slots, generations)

    bench.feed.sockets = Answered()
    _, _, (cell,) = bench.second()
    assert (int(cell["rcode"]), int(cell["queries"]), int(cell["buckets"].sum())) == (0, 1, 1)


def test_a_socket_of_tcp_that_is_gone_ends_its_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.feed.sockets = Gone()
    wire = question("a.example").to_wire()
    bench.packets.records.append(
        record(len(wire).to_bytes(2, "big") + wire, transport=TCP, at_ns=bench.now_ns)
    )
    _, _, (cell,) = bench.second()
    assert int(cell["rcode"]) == NO_ANSWER
    assert int(cell["transport"]) == TCP


def test_a_question_without_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, timeout_s=2)
    bench.ask(question("a.example"), 900)
    assert not len(bench.second()[2])
    assert bench.feed.stage.noted["under_way"] == 1
    assert not len(bench.second()[2])
    (cell,) = bench.second()[2]
    assert int(cell["rcode"]) == NO_ANSWER
    assert bench.feed.stage.noted["under_way"] == 0


def test_cells_beyond_the_limit_are_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, cells=64)
    for number in range(70):
        bench.exchange(question("a.example", number=number), slot=number)
    assert len(bench.second()[2]) == 64
    assert bench.feed.stage.dropped["no_cell"] == 6
    assert bench.feed.stage.balanced


def test_only_chosen_namespaces_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.feed._chosen = ChosenNamespaces(["/nowhere"])
    bench.exchange(question("a.example"), netns=5)
    assert not len(bench.second()[2])
