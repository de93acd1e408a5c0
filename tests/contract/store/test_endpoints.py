"""Requests of any window are those of the rows that were taken: by edge, method, route, status, host and proxy."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from store.reading import Store, Window
from tests.contract.store.sites import Site
from tests.unit.store.segments.made import BEGIN, second
from tests.unit.store.segments.made_requests import RequestTruth, names_of, requests, sums_of

GET = {"client": 1, "server": 2, "port": 80, "method": 1, "route": 2, "status": 200}
KINDS: Sequence[dict[str, int]] = (
    {**GET, "requests": 7, "client.requests": 7, "evidence.both": 7, "ns": 1000},
    {**GET, "status": 503, "requests": 1, "requests.failed": 1, "ns": 10**9},
    {**GET, "host": 1, "requests": 2, "http.request.bytes": 1 << 40},
    {**GET, "method": 2, "via": 1, "requests": 3, "http.response.bytes": 300},
    {"client": 3, "server": 1, "port": 50051, "route": 3, "status": 200, "grpc": 14, "requests": 1, "ns": 5},
    {**GET, "port": 8080, "route": 0, "status": 0, "requests": 1, "requests.failed": 1},
)


def check(store: Store, truth: RequestTruth, window: Window) -> None:
    """All that the store says of a window."""
    answer = store.endpoints(window)
    assert answer.window == window
    found = dict(
        zip(
            names_of(store, answer),
            (sums_of(answer.measures, row) for row in range(len(answer))),
            strict=True,
        )
    )
    assert found == truth.of(window)
    for edge in answer.edges[:1].tolist():
        mine = store.endpoints(window, [edge])
        assert mine.ids.tolist() == answer.ids[answer.edges == edge].tolist()
        whole = {name: answer.measures[name][answer.edges == edge] for name in ("requests", "last_s")}
        assert all((mine.measures[name] == column).all() for name, column in whole.items())
    assert len(store.endpoints(window, [])) == 0


def check_series(store: Store, truth: RequestTruth, window: Window, step_s: int) -> None:
    """Each step has its own seconds."""
    answer, series = store.endpoints(window), store.request_series(window, step_s)
    names = dict(zip(answer.ids.tolist(), names_of(store, answer), strict=True))
    found: dict[Any, Counter[Any]] = {
        (at, names[id_]): sums_of(series.measures, row, times=False)
        for row, (at, id_) in enumerate(zip(series.begins_s.tolist(), series.ids.tolist(), strict=True))
    }
    expected = {
        (at, named): Counter(
            {name: count for name, count in sums.items() if name not in ("first_s", "last_s")}
        )
        for at in range(series.window.from_s, series.window.to_s, step_s)
        for named, sums in truth.of(Window(at, at + step_s)).items()
    }
    assert series.step_s == step_s
    assert found == expected
    one = answer.ids[:1]
    mine = store.request_series(window, step_s, one, ["requests"])
    assert mine.measures["requests"].tolist() == series.measures["requests"][series.ids == one].tolist()


def test_requests_have_the_sums_of_their_rows(site: Site) -> None:
    """New, sealed, of two engines, late, and come twice; in steps of any length. Edges and workloads of requests
    without a row of connections are named all the same."""
    writer, store, truth = site.writer(), site.store(), RequestTruth()
    assert len(store.endpoints(Window(0, 1 << 40))) == 0
    for seq, at in enumerate((0, 1, 1, 9, 58, 61, 65, 190)):
        rows = [KINDS[(seq + place) % len(KINDS)] for place in range(4)]
        late = [{**GET, "requests": 5, "late": 70 if at > 60 else 0}]
        batch = requests(BEGIN + at, [*rows, *late], seq, f"boot-{1 + seq % 2}")
        writer.take(batch)
        if seq % 3:
            workload = {"client": 1, "server": 2, "port": 443, "bytes": 5, "requests": 12}
            writer.take(second(BEGIN + at, [workload], seq))
        writer.sync()
        writer.take(batch)
        truth.add(batch)
        if at in (58, 65):
            writer.rotate()
            writer.drained()
        if seq % 2:
            check(store, truth, Window(BEGIN - 20, BEGIN + 200))
    assert writer.duplicates == 8
    window = Window(BEGIN, BEGIN + 240)
    check(store, truth, Window(BEGIN + 1, BEGIN + 62))
    check_series(store, truth, window, 1)
    check_series(store, truth, window, 10)
    assert int(store.edges(window).measures["requests"].sum()) == 12 * 5
    ids, edges = store.endpoints(window).ids.tolist(), store.edges(window).ids.tolist()
    writer.close()
    writer = site.writer()
    check(store, truth, window)
    check_series(store, truth, window, 60)
    assert (store.endpoints(window).ids.tolist(), store.edges(window).ids.tolist()) == (ids, edges)
    assert set(store.workloads().ids.tolist()) >= set(store.endpoints(window).clients.tolist())
    writer.close()
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_requests_do_not_keep_the_store_waiting(site: Site, sealed: bool) -> None:
    """They come in seconds that have some; what is complete is told by the rows of connections."""
    writer, store = site.writer(), site.store()
    writer.take(requests(BEGIN, [dict(KINDS[0])], 0))
    for seq in range(3):
        writer.take(second(BEGIN + seq, [{"client": 1, "server": 2, "port": 80, "bytes": 1}], seq))
        writer.sync()
    if sealed:
        writer.rotate()
        writer.drained()
    assert store.bounds().complete_s == BEGIN + 3
    writer.close()
    store.close()
