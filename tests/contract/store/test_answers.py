"""All questions have the same answers, whichever store is asked: those of the store of this machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.workloads.workloads import Workloads
from benchmarks.fleet import boutique
from benchmarks.fleet import second as fleet_second
from model.ledger import Ledger
from store.queries.questions import QUESTIONS, ask, parameters_of
from store.reading import Store
from tests.contract.store.sites import SegmentSite, Site, Writing
from tests.unit.store.queries.fleets import BAD_VERSION, BEGIN, MINUTE
from tests.unit.store.segments.made import BEGIN as FLOWS_BEGIN
from tests.unit.store.segments.made import second
from tests.unit.store.segments.made_flows import flows
from tests.unit.store.segments.made_requests import requests

NOW = float(BEGIN + 2 * MINUTE + 1)
WINDOW = {"from": [str(BEGIN + MINUTE)], "to": [str(BEGIN + 2 * MINUTE)]}
BEFORE = {"against": ["-60s"]}
EDGE = {"edge": ["frontend>checkoutservice:5050"]}
ASKED = [
    ("map", {}),
    ("map", {"select": ["checkoutservice"], "hops": ["2"], **BEFORE}),
    ("map", {"select": ["frontend"], "direction": ["down"], "group": ["namespace"]}),
    ("map", {"q": ["failed>0"]}),
    ("search", {"q": ["checkout"]}),
    ("search", {"q": ["chekout"]}),
    ("search", {"q": ["port:5050"]}),
    ("edges", {}),
    ("edges", {"q": ["failed>0 version:v2.12a"], **BEFORE}),
    ("series", EDGE),
    ("series", {**EDGE, "step": ["10"]}),
    ("edges", {"q": ["status:5xx"], **BEFORE}),
    ("endpoints", {}),
    ("endpoints", {"q": ["status:5xx route:/orders/*"], **BEFORE}),
    ("endpoints", {"select": ["shop/cart"], "direction": ["up"], "by": ["client", "status_class"]}),
    ("series", {"metrics": ["requests", "request_p99"], "q": ["method:GET"]}),
    ("diff", BEFORE),
    ("where", EDGE),
    ("nat", {"edge": ["shop/cart>postgresql.service:5432"]}),
    ("quality", EDGE),
    ("quality", {"select": ["shop/cart"]}),
    ("instances", {"select": ["shop/cart"]}),
    ("moments", {}),
    ("instances", {}),
    ("attributes", {"key": ["version"]}),
]


ENDS = {"client": 3, "server": 1, "port": 80, "network.transport": 6}
GET = {"client": 3, "server": 1, "port": 80, "method": 1, "route": 2, "status": 200, "host": 1, "ns": 10**6}


def filled(writer: Writing) -> None:
    """Two minutes of a fleet of which a version fails in the second, and flows with NAT."""
    whole = boutique()
    actor = Workloads(Ledger())
    before, now = whole.without("redis-cart"), whole.without("adservice").broken(BAD_VERSION, 0.6)
    for at in range(0, 2 * MINUTE, 5):
        made = before if at < MINUTE else now
        writer.take(fleet_second(made, BEGIN + at, at))
        batch = flows(BEGIN - FLOWS_BEGIN + at, at, [1, 2, 3])
        for each in [batch, *actor.of([batch])]:
            writer.take(replace(each, boot="boot-2"))
        bad = 0 if at < MINUTE else 3
        asked = [
            {**GET, "requests": 9 - bad},
            {**GET, "status": 503, "requests": bad, "requests.failed": bad},
        ]
        writer.take(requests(BEGIN + at, asked if bad else asked[:1], at))
        writer.take(second(BEGIN + at, [{**ENDS, "requests": 9, "requests.failed": bad}], at, "boot-3"))
        writer.sync()
        if at == 90:
            writer.rotate()
            writer.drained()


def answer(store: Store, name: str, said: dict[str, list[str]]) -> Any:
    """As JSON."""
    question = QUESTIONS[name]
    found = ask(store, question, parameters_of(question, said), NOW)
    return msgspec.json.decode(msgspec.json.encode(found.whole()))


@pytest.fixture
def both(site: Site, tmp_path: Path) -> Any:
    """The store that is tested, and that of this machine, with the same rows."""
    if isinstance(site, SegmentSite):
        pytest.skip("it is the other one too")
    writers = [each.writer() for each in (site, SegmentSite(tmp_path / "other"))]
    stores = [site.store(), SegmentSite(tmp_path / "other").store()]
    for writer in writers:
        filled(writer)
    yield stores
    for writer in writers:
        writer.close()
    for store in stores:
        store.close()


def test_every_question_has_the_same_answer(both: list[Store]) -> None:
    """To the byte, with windows, ids, scores and gaps."""
    for name, said in ASKED:
        found, expected = (answer(store, name, {**WINDOW, **said}) for store in both)
        assert found == expected, (name, said)
        assert _rows(found["data"]), (name, said)
    assert {name for name, _ in ASKED} == set(QUESTIONS)


def _rows(data: Any) -> bool:
    """Whether an answer has any: none would compare nothing."""
    return any(value for value in data.values() if isinstance(value, list))
