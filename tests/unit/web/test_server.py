"""The API as programs ask it, over real connections."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from store.measures import MOST, SUMS
from store.queries.questions import QUESTIONS
from store.reading import Bounds, Edges, Window
from tests.unit.store.queries.fleets import BEGIN, MINUTE, asked
from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.web.conftest import served

MINUTE_NOW: dict[str, Any] = {"from_": BEGIN + MINUTE, "to": BEGIN + 2 * MINUTE}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_every_question_is_answered_as_the_core_answers(store: RowsStore, question: str) -> None:
    async with served(store) as client:
        status, headers, body = await client.get(f"/api/v1/{question}", window="60s")
    assert status == 200, body
    assert headers["Content-Type"] == "application/json"
    assert body == msgspec.json.encode(asked(store, question, window="60s").whole())


async def test_tables_come_as_csv_and_the_map_as_pictures(store: RowsStore) -> None:
    async with served(store) as client:
        _, headers, table = await client.get("/api/v1/edges", {"Accept": "text/csv"}, **MINUTE_NOW)
        assert headers["Content-Type"] == "text/csv; charset=utf-8"
        _, headers, picture = await client.get("/api/v1/map", {"Accept": "image/svg+xml,*/*"}, **MINUTE_NOW)
        assert headers["Content-Type"] == "image/svg+xml"
        _, _, dot = await client.get("/api/v1/map", format="dot", **MINUTE_NOW)
        _, _, whole = await client.get("/api/v1/map", **MINUTE_NOW)
        refused = await client.get("/api/v1/edges", format="svg")
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    data = json.loads(whole)["data"]
    assert {(row["client"], row["server"]) for row in rows} == _ends(data)
    assert sum(int(row["failed"]) for row in rows) == sum(edge["failed"] for edge in data["edges"]) > 0
    texts = {
        text.text
        for text in ElementTree.fromstring(picture.decode()).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {f"{'✖' if node['status'] == 'failing' else ''}" for node in data["nodes"]} & {"✖"}
    assert any(text and text.startswith("✖ checkoutservice") for text in texts)
    assert dot.count(b" -> ") == len(data["edges"])
    assert refused[0] == 400


def _ends(data: dict[str, Any]) -> set[tuple[str, str]]:
    keys = {node["id"]: node["key"] for node in data["nodes"]}
    return {(keys[edge["from"]], keys[edge["to"]]) for edge in data["edges"]}


async def test_what_has_not_changed_is_not_sent_again(store: RowsStore) -> None:
    async with served(store) as client:
        _, headers, body = await client.get("/api/v1/map", **MINUTE_NOW)
        status, _, nothing = await client.get("/api/v1/map", {"If-None-Match": headers["ETag"]}, **MINUTE_NOW)
        assert (status, nothing) == (304, b"")
        assert headers["Cache-Control"] == "no-cache"
        assert headers["Content-Encoding"] == "gzip"
        plain = await client.get("/api/v1/map", {"Accept-Encoding": "identity"}, **MINUTE_NOW)
        assert plain[2] == body
        assert "Content-Encoding" not in plain[1]


class Later:
    """The same store when much more has come: windows of whole minutes are closed, and in steps of a minute."""

    def __init__(self, store: RowsStore, later_s: int, step_s: int) -> None:
        self._store = store
        self._later_s = later_s
        self._step_s = step_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def bounds(self) -> Bounds:
        """Further on."""
        end = BEGIN + 2 * MINUTE + self._later_s
        return Bounds(BEGIN, end - 1, end, {self._step_s: BEGIN})

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """First and last seconds are those of steps."""
        found = self._store.edges(window, edges, histograms, columns)
        told = dict(found.measures.columns)
        for name in ("first_s", "last_s"):
            told[name] = told[name].astype(np.int64) // self._step_s * self._step_s
        measures = type(found.measures)(told, found.measures.histograms)
        return Edges(window, found.ids, found.clients, found.servers, found.ports, found.transports, measures)


@pytest.mark.parametrize(
    ("question", "said"),
    [("map", {}), ("edges", {}), ("diff", {}), ("where", {"by": "version,zone,port"}), ("series", {})],
)
async def test_a_closed_window_has_the_same_bytes_a_day_later(
    store: RowsStore, question: str, said: dict[str, Any]
) -> None:
    bodies = []
    said = {"against": "-60s"} | MINUTE_NOW | said
    for later, step in ((300, 1), (86_400, 60)):
        async with served(Later(store, later, step)) as client:
            _, headers, body = await client.get(f"/api/v1/{question}", **said)
            again = (await client.get(f"/api/v1/{question}", **said))[2]
            assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
            assert client.server._answering.cache.counts["hits"] == 1
            bodies += [body, again]
    assert len(set(bodies)) == 1
    assert json.loads(bodies[0])["window"]["complete"]


@pytest.mark.parametrize("question", ["where", "nat", "instances", "moments", "search"])
async def test_what_rests_on_instances_is_asked_for_again(store: RowsStore, question: str) -> None:
    async with served(Later(store, 300, 1)) as client:
        _, headers, _ = await client.get(f"/api/v1/{question}", **MINUTE_NOW)
        assert headers["Cache-Control"] == "no-cache"
        status, _, body = await client.get(
            f"/api/v1/{question}", {"If-None-Match": headers["ETag"]}, **MINUTE_NOW
        )
        assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "said", "status", "code"),
    [
        ("/api/v1/maps", {}, 404, "not_found"),
        ("/api/v1/map", {"hops": "5"}, 400, "bad_request"),
        ("/api/v1/map", {"colour": "red"}, 400, "bad_request"),
        ("/api/v1/map", {"q": "prot:1"}, 400, "bad_request"),
        ("/api/v1/map", {"select": "nobody"}, 404, "not_found"),
        ("/api/v1/map", {"at": "yesterday"}, 400, "bad_request"),
        ("/api/v1/stream", {"at": "now"}, 400, "bad_request"),
        ("/api/v1/map", {"q": "x" * 2001}, 400, "bad_request"),
        ("/nowhere", {}, 404, "not_found"),
        ("/page/../server.py", {}, 404, "not_found"),
    ],
)
async def test_errors_say_what_is_wrong_and_what_to_do(
    store: RowsStore, path: str, said: dict[str, Any], status: int, code: str
) -> None:
    async with served(store) as client:
        found, _, body = await client.get(path, **said)
    error = json.loads(body)["error"]
    assert (found, error["code"]) == (status, code)
    assert error["message"]
    assert error["hint"]


async def test_the_description_is_served_and_names_every_question(store: RowsStore) -> None:
    async with served(store) as client:
        described = json.loads((await client.get("/api/v1/openapi.json"))[2])
    assert {f"/api/v1/{name}" for name in QUESTIONS} < set(described["paths"])
    hops = next(
        each for each in described["paths"]["/api/v1/map"]["get"]["parameters"] if each["name"] == "hops"
    )
    assert (hops["schema"]["minimum"], hops["schema"]["maximum"], hops["schema"]["default"]) == (1, 4, 2)
    for each in described["paths"].values():
        for operation in each.values():
            assert operation["summary"]
            assert all(parameter["description"] for parameter in operation["parameters"])


class Slow(Later):
    """A store that takes its time."""

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """Half a second."""
        time.sleep(0.5)
        return super().edges(window, edges, histograms, columns)


async def test_a_slow_question_is_refused_and_does_not_stop_others(store: RowsStore) -> None:
    async with served(Slow(store, 0, 1), query_seconds=0.1, queries=1) as client:
        status, _, body = await client.get("/api/v1/map")
        assert (status, json.loads(body)["error"]["code"]) == (503, "too_slow")
        assert (await client.get("/healthz"))[0] == 200
        many = await asyncio.gather(*(client.get("/api/v1/map") for _ in range(40)))
        assert "busy" in {json.loads(body)["error"]["code"] for _, _, body in many}


async def test_a_stream_sends_the_map_when_a_second_is_complete(store: RowsStore) -> None:
    class Live(Later):
        later = 0

        def bounds(self) -> Bounds:
            """The second is set by the test."""
            return Bounds(BEGIN, BEGIN + 99, BEGIN + 100 + self.later, {1: BEGIN})

    live = Live(store, 0, 1)
    async with (
        served(live) as client,
        client.session.get(
            "/api/v1/stream", params={"select": "frontend", "window": "30s", "deltas": "1"}
        ) as response,
    ):
        assert response.headers["Content-Type"] == "text/event-stream"
        name, whole = await _event(response)
        assert (name, whole["window"]["to"]) == ("map", BEGIN + 100)
        live.later = 1
        name, delta = await _event(response)
        assert (name, delta["window"]["to"]) == ("delta", BEGIN + 101)
        ids = {node["id"] for node in whole["data"]["nodes"]}
        assert {node["id"] for node in delta["data"]["nodes"]} <= ids
        assert delta["data"]["edges"]


async def _event(response: Any) -> tuple[str, dict[str, Any]]:
    name = ""
    async for line in response.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            return name, json.loads(value)
    raise AssertionError("the stream ended")
