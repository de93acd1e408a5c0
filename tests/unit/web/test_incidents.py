"""Incidents over HTTP, with a real book behind it: who may do what, what is answered, what outlives a kill."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from actors.incidents.items import EdgeEvent, Tick, Trouble
from actors.incidents.message import Facts, alert_of
from alerts.book import Book
from alerts.events import EventLog
from alerts.journal import Journal
from alerts.routing import Routing, Wishes
from engine.incident_source import WrittenIncidents, settle_planned
from engine.kept_incidents import ReadIncidents
from model.silence import PlannedSilence
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.web.conftest import Client, served

API = "/api/v1/incidents"
#: Of the clock of this machine, because silences are of now.
NOW = int(time.time())
CHECKOUT = Trouble(
    "a", "shop/checkout", "connect_failed", NOW - 100.0, 0.9, 0.002, 90, 100,
    frozenset({"shop/web > shop/checkout:8080"}), {"server.version": "v2"}, "critical",
)  # fmt: skip
DB = Trouble("b", "shop/db", "slow", NOW - 50.0, 0.5, 0.1, 5, 10, frozenset({"shop/app > shop/db:5432"}))


def book_in(folder: Path) -> tuple[Journal, Book]:
    journal = Journal(folder / "incidents.journal")
    return journal, Book(journal, Routing({"all": Wishes()}), lambda change: alert_of(change, Facts()))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Two that are open, and one that is over."""
    _, book = book_in(tmp_path)
    for at in range(NOW - 2000, NOW - 1960, 10):
        book.tick(Tick(float(at), (Trouble("c", "shop/old", "reset", at, 0.5, 0.0, 5, 10),)))
    for at in range(NOW - 1960, NOW - 1000, 10):
        book.tick(Tick(float(at)))
    for at in range(NOW - 40, NOW, 10):
        book.tick(Tick(float(at), (CHECKOUT, DB)))
    return book


def source(book: Book) -> WrittenIncidents:
    return WrittenIncidents(lambda: book, lambda: None)


async def said(client: Client, path: str = API, **words: Any) -> Any:
    """The data of a good answer."""
    status, _, body = await client.get(path, **words)
    assert status == 200, body
    return json.loads(body)["data"]


async def does(
    client: Client, method: str, path: str, body: Any, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Status, and what came."""
    async with client.session.request(method, path, json=body, headers=headers) as response:
        text = await response.read()
        return response.status, json.loads(text) if text else {}


async def test_the_list_has_open_ones_first_and_filters(store: RowsStore, book: Book) -> None:
    async with served(store, incidents=source(book)) as client:
        whole = await said(client)
        assert [(row["subject"], row["state"]) for row in whole["incidents"]] == [
            ("shop/checkout", "open"), ("shop/db", "open"), ("shop/old", "resolved"),
        ]  # fmt: skip
        assert (whole["of"], whole["open"], whole["watched"], whole["changeable"]) == (3, 2, True, True)
        asked: dict[str, dict[str, Any]] = {
            "state": {"state": "open", "limit": 1},
            "severity": {"severity": "critical,warning"},
            "filter": {"q": "ns:shop server.version:v*"},
            "from": {"from_": NOW - 900},
            "to": {"to": NOW - 900},
            "window": {"from_": NOW - 70, "to": NOW - 60},
        }
        found = {
            name: [row["subject"] for row in (await said(client, **words))["incidents"]]
            for name, words in asked.items()
        }
    assert found == {
        "state": ["shop/checkout"],
        "severity": ["shop/checkout"],
        "filter": ["shop/checkout"],
        "from": ["shop/checkout", "shop/db"],
        "to": ["shop/old"],
        "window": ["shop/checkout"],
    }


async def test_one_has_its_message_edges_and_timeline(store: RowsStore, book: Book) -> None:
    async with served(store, incidents=source(book)) as client:
        row = (await said(client, q="subject:shop/checkout"))["incidents"][0]
        one = await said(client, f"{API}/{row['id']}")
        past = (await said(client, state="resolved"))["incidents"][0]
        over = await said(client, f"{API}/{past['id']}")
        unknown = await client.get(f"{API}/tailrace-0")
    assert one["incident"] == row
    assert one["text"].startswith("CRITICAL shop/checkout: 90 % of connects failed (normal 0.2 %)")
    assert one["edges"] == ["shop/web>shop/checkout:8080"]
    assert [entry["what"] for entry in one["timeline"]] == ["open"]
    assert [entry["what"] for entry in over["timeline"]] == ["open", "resolve"]
    assert unknown[0] == 404


async def test_who_acknowledged_it_and_when_outlives_a_kill(
    store: RowsStore, book: Book, tmp_path: Path
) -> None:
    async with served(store, incidents=source(book)) as client:
        key = (await said(client))["incidents"][0]["id"]
        nobody = await does(client, "POST", f"{API}/{key}/acknowledge", {})
        assert (nobody[0], nobody[1]["error"]["message"]) == (400, "nobody says who does it")
        status, answer = await does(client, "POST", f"{API}/{key}/acknowledge", {"who": " ada  l "})
        unknown = await does(client, "POST", f"{API}/tailrace-0/acknowledge", {"who": "ada"})
    assert (status, unknown[0]) == (200, 404)
    told = answer["data"]["timeline"][-1]
    assert (told["what"], told["who"]) == ("acknowledge", "ada l")
    async with served(store, incidents=ReadIncidents(tmp_path)) as client:  # as the file is, without an end
        again = await said(client, f"{API}/{key}")
        assert not (await said(client))["changeable"]
        refused = await does(client, "POST", f"{API}/{key}/acknowledge", {"who": "ada"})
    assert again == answer["data"]
    assert again["incident"]["acknowledged"]["by"] == "ada l"
    assert abs(again["incident"]["acknowledged"]["at"] - time.time()) < 100
    assert refused[0] == 403


async def test_a_silence_keeps_targets_from_hearing_until_it_is_lifted(
    store: RowsStore, book: Book, tmp_path: Path
) -> None:
    asked = {"where": "subject:shop/db", "for": "2h", "every": "1d", "reason": "backup", "who": "ada"}
    async with served(store, incidents=source(book)) as client:
        status, made = await does(client, "POST", "/api/v1/silences", asked)
        (held,) = (await said(client, "/api/v1/silences"))["silences"]
        assert (status, made["data"]) == (201, held)
        assert (held["where"], held["who"], held["active"]) == ("subject:shop/db", "ada", True)
        assert (held["until"] - held["from"], held["every_s"]) == (7200, 86_400)
        before = book.outbox.counts["all", "offered"]
        begin = int(time.time())  # of the silence: tests run long after they were collected
        for at in range(begin, begin + 200, 10):
            book.tick(Tick(float(at), (DB, CHECKOUT) if at > begin + 90 else (CHECKOUT,)))
        book.acknowledge(book_key(book, "shop/db"), "eve", begin + 200.0)
        assert book.outbox.counts["all", "offered"] == before
        assert (await said(client, q="workload:db"))["incidents"][0]["silenced_by"] == held["id"]
        _, kept = await does(client, "DELETE", f"/api/v1/silences/{held['id']}", None)
        assert kept == {}
        assert (await said(client, "/api/v1/silences"))["silences"] == []
        assert (await does(client, "DELETE", f"/api/v1/silences/{held['id']}", None))[0] == 400


async def test_events_of_edges_are_told_once_and_filtered(store: RowsStore, tmp_path: Path) -> None:
    """Each of several engines sees them; the oldest beyond the limit make room."""
    journal, book = book_in(tmp_path)
    book.events = EventLog(journal, most=3)
    seen = [
        EdgeEvent(NOW - 300.0 + at, what, "shop/web", server, 8080)
        for at, what, server in (
            (0, "new", "shop/old"), (1, "new", "shop/db"), (2, "more", "shop/db"), (9, "more", "shop/db"),
            (200, "vanished", "shop/cart"),
        )
    ]  # fmt: skip
    for event in seen:
        book.tick(Tick(event.at), [event])
    async with served(store, incidents=source(book)) as client:
        whole = await said(client, "/api/v1/events")
        assert [row["text"] for row in whole["events"]] == [
            "shop/web began to call shop/db:8080",
            "far more than usual from shop/web to shop/db:8080",
            "shop/web fell silent towards shop/cart:8080",
        ]
        assert whole["events"][0]["edge"] == "shop/web>shop/db:8080"
        some = await said(client, "/api/v1/events", q="server.workload:cart symptom:vanished")
        assert [row["at"] for row in some["events"]] == [NOW - 100]
        assert (await said(client, "/api/v1/events", from_=NOW - 200))["of"] == 1
        assert (await client.get("/api/v1/events", q="failed>0"))[0] == 400
    async with served(store, incidents=ReadIncidents(tmp_path)) as client:
        assert await said(client, "/api/v1/events") == whole
    journal.close()
    _, again = book_in(tmp_path)
    again.tick(Tick(float(NOW)), [EdgeEvent(float(NOW), "returned", "shop/web", "shop/cart", 8080)])
    assert [event.what for event in again.events.kept()] == ["new", "more", "vanished", "returned"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"where": " "}, "subject:* is everything"),
        ({"where": "colour:red"}, "alerts have no 'colour'"),
        ({"for": "soon"}, "`for`"),
        ({"until": "2026-01-01T00:00:00Z"}, "say for how long"),
        ({"for": "", "until": "2020-01-01T00:00:00Z"}, "it ends before it begins"),
        ({"from": "2020-01-01T00:00:00Z"}, "is over already"),
        ({"every": "1h"}, "it comes again before it ends"),
        ({"reason": ""}, "reason"),
        ({"color": "red"}, "color"),
    ],
)
async def test_a_silence_that_means_nothing_is_refused(
    store: RowsStore, book: Book, wrong: dict[str, Any], why: str
) -> None:
    asked = {"where": "subject:shop/db", "for": "2h", "reason": "backup", "who": "ada"} | wrong
    async with served(store, incidents=source(book)) as client:
        status, answer = await does(client, "POST", "/api/v1/silences", asked)
    assert status == 400
    assert why in answer["error"]["message"]
    assert not book.incidents.silences


async def test_changes_need_what_questions_need(store: RowsStore, book: Book, token_file: Path) -> None:
    """And a body that no form of another site can send."""
    path = f"{API}/{book_key(book, 'shop/db')}/acknowledge"
    body = {"who": "mallory"}
    async with served(store, incidents=source(book), token_file=str(token_file)) as client:
        assert (await does(client, "POST", path, body))[0] == 401
        assert (await does(client, "POST", path, body, Authorization="Bearer tomato-42"))[0] == 200
    async with served(store, incidents=source(book)) as client:
        assert (await does(client, "POST", path, body, Origin="http://evil.example"))[0] == 403
        assert (await does(client, "POST", path, body, Host="evil.example"))[0] == 403
        async with client.session.post(path, data="who=mallory") as response:
            assert response.status == 415
        async with client.session.post(path, json={"who": "m" * 20_000}) as response:
            assert response.status == 413
    async with served(store, incidents=source(book), changes="off") as client:
        assert (await does(client, "POST", path, body))[0] == 403
        assert not (await said(client))["changeable"]
    async with served(store, incidents=source(book), proxy_header="X-User") as client:
        _, answer = await does(client, "POST", path, body, **{"X-User": "ada"})
        assert answer["data"]["incident"]["acknowledged"]["by"] == "ada"


async def test_where_nobody_keeps_incidents_the_list_says_so(store: RowsStore, tmp_path: Path) -> None:
    async with served(store) as client:
        assert not (await said(client))["watched"]
        assert (await client.get(f"{API}/x"))[0] == 404
    async with served(store, incidents=ReadIncidents(tmp_path)) as client:
        assert (await said(client))["incidents"] == []


def test_silences_of_the_configuration_are_those_that_it_has_now(tmp_path: Path) -> None:
    _, book = book_in(tmp_path)
    nightly = PlannedSilence(
        name="nightly", where="subject:shop/db", begins="2026-01-01T02:00:00Z", lasts="1h", every="1d",
        reason="backup",
    )  # fmt: skip
    over = PlannedSilence(
        name="over", where="subject:x", begins="2026-01-01T02:00:00Z", lasts="1h", reason="move"
    )
    settle_planned(book, [nightly, over], float(NOW))
    (silence,) = book.incidents.silences
    assert (silence.id, silence.who) == ("config-nightly", "the configuration")
    night = 1_767_232_800.0 + 40 * 86_400
    assert [silence.active(night + hours * 3600) for hours in (-0.5, 0.5, 1.5)] == [False, True, False]
    settle_planned(book, [nightly], NOW + 60.0)
    assert book.incidents.silences[0].at == NOW, "it is the same"
    settle_planned(book, [], NOW + 60.0)
    assert not book.incidents.silences


def book_key(book: Book, subject: str) -> str:
    return next(each.key for each in book.incidents if each.subject == subject)
