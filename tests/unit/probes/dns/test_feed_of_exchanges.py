"""A second of exchanges and cells that the kernel put together, as events: with the names that packets told."""

from typing import Any

import dns.message
import numpy as np
import pytest

from model.clock import SECOND_NS
from probes.dns.maps import ASKED, CELL, CELL_KEY, QUESTION, TOLD
from probes.dns.messages import parse
from probes.kernel.layout import enums
from tests.unit.probes.dns.bench import MS, NO_ANSWER, SLOTS, Bench, Gone
from tests.unit.probes.dns.packets import answer, question, record

OF = enums("dns")["dns_record_of"]
CLIENT, SERVER = 1, 2


def hashed(made: dns.message.Message) -> int:
    return int(parse(record(made.to_wire())).rows["name"][0])


def told(
    made: dns.message.Message, asked_ns: int, took_ms: int = 1, rcode: int = 0, **fields: Any
) -> np.ndarray:
    """An exchange that the kernel put together. Shape (1,)."""
    one = np.zeros(1, TOLD)
    one["header"]["at_ns"], one["header"]["slot"] = asked_ns + took_ms * MS, SLOTS + 1
    one["asked"]["at_ns"], one["asked"]["role"], one["asked"]["transport"] = asked_ns, CLIENT, 17
    for name in ("tgid", "netns", "flags"):
        one["asked"][name] = fields.pop(name, 0)
    one["header"]["old_state"] = fields.pop("of", 0)
    one["name"], one["type"], one["rcode"] = hashed(made), int(made.question[0].rdtype), rcode
    for name, value in fields.items():
        one[name] = value
    return one


def test_what_the_kernel_put_together_is_counted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, asked = Bench(monkeypatch), question("Web.Example")
    bench.ask(asked, of=OF["DNS_OF_NAME"])
    for flags in (0, 1, 3):
        bench.kernel.exchanges.records.append(told(asked, bench.now_ns, 2, flags=flags, netns=7))
    names, _, (cell,) = bench.second()
    assert names == ["web.example"]
    assert bench.name(cell["name"]) == "web.example"
    counts = [int(cell[name]) for name in ("queries", "truncated", "retries", "netns", "latency_ns")]
    assert counts == [3, 2, 1, 7, 6 * MS]
    assert int(cell["header"]["slot"]) == SLOTS + 1
    assert bench.feed.stage.balanced


def test_addresses_come_with_exchanges_and_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, asked = Bench(monkeypatch), question("web.example")
    bench.ask(asked, of=OF["DNS_OF_NAME"])
    began, four = bench.now_ns, bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
    for number, of in enumerate((0, 1)):
        address = np.frombuffer(four[:15] + bytes([number + 1]), "V16")
        fields: dict[str, Any] = {"of": of, "address": address, "address_type": 1, "ttl": 60, "tgid": 42}
        bench.kernel.exchanges.records.append(told(asked, began, **fields))
    _, addresses, (cell,) = bench.second()
    assert [bytes(one["address"])[-1] for one in addresses] == [1, 2]
    assert {(int(one["tgid"]), int(one["ttl"]), int(one["header"]["at_ns"])) for one in addresses} == {
        (42, 60, began + MS)
    }
    assert int(cell["queries"]) == 1


def test_an_answer_of_which_only_addresses_are_wanted_counts_no_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, asked = Bench(monkeypatch), question("web.example")
    bench.ask(asked, of=OF["DNS_OF_NAME"])
    bench.ask(
        answer(asked, [f"192.0.2.{n}" for n in range(9)]), out=False, of=OF["DNS_OF_ADDRESSES"], tgid=42
    )
    names, addresses, cells = bench.second()
    assert names == []
    assert (len(addresses), len(cells)) == (9, 0)
    assert {bench.feed._names._texts[int(one["name"])] for one in addresses} == {"web.example"}


def test_a_question_that_waits_in_the_kernel_ends_with_its_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, made = Bench(monkeypatch), question("a.example")
    bench.ask(made, of=OF["DNS_OF_NAME"])
    questions, asked = np.zeros(1, QUESTION), np.zeros(1, ASKED)
    questions["slot"], questions["name"], questions["type"] = SLOTS + 1, hashed(made), 1
    asked["at_ns"], asked["role"], asked["transport"] = bench.now_ns, CLIENT, 17
    bench.kernel.asked, bench.kernel.counts["asked"] = (questions, asked), 1
    assert not len(bench.second()[2])
    assert bench.feed.stage.noted["under_way"] == 1
    bench.feed.flows = Gone()
    _, _, (cell,) = bench.second()
    assert (int(cell["rcode"]), bench.name(cell["name"])) == (NO_ANSWER, "a.example")
    bench.kernel.asked = questions[:0], asked[:0]
    assert not len(bench.second()[2])
    assert bench.feed.stage.noted["under_way"] == 0


def test_cells_of_the_kernel_are_counted_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, made = Bench(monkeypatch), question("a.example")
    bench.ask(made, of=OF["DNS_OF_NAME"])
    keys, grown = np.zeros(2, CELL_KEY), np.zeros(2, CELL)
    keys["slot"], keys["name"], keys["role"] = SLOTS + 1, [hashed(made), 1], SERVER
    grown["queries"], grown["latency_ns"], grown["truncated"] = [5000, 70], 9 * MS, 3
    grown["buckets"][:, 3] = grown["queries"]
    bench.kernel.grown = keys, grown
    bench.kernel.counts |= {"in_cells": 5070, "no_cell": 4}
    _, _, cells = bench.second()
    assert cells["queries"].tolist() == [5000, 70]
    assert bench.name(cells["name"][0]) == "a.example"
    assert cells["buckets"][:, 3].tolist() == [5000, 70]
    assert bench.feed.stage.dropped["no_cell"] == 4
    assert bench.feed.stage.noted["other_names"] == 70
    assert bench.feed.stage.balanced


def test_a_name_that_is_given_up_is_asked_the_kernel_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, names=16)
    names = [question(f"n{number}.example", number=number) for number in range(20)]
    for made in names:
        bench.ask(made, of=OF["DNS_OF_NAME"])
    bench.second()
    assert bench.kernel.forgotten == []
    bench.now_ns += 400 * SECOND_NS
    bench.second()
    assert sorted(bench.kernel.forgotten) == sorted(map(hashed, names))
