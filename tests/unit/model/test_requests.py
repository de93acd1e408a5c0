"""Tables of requests: groups are cut, joined and sent without losing what they point to."""

import numpy as np
import pytest

from model.histogram import Histograms
from model.requests import TYPES, Requests
from model.tables import REQUESTS


def table(*groups: list[tuple[str, int]]) -> Requests:
    """Groups of (route, requests), each with a latency of 1000 ns a request."""
    entries = [entry for group in groups for entry in group]
    routes = ["", *dict.fromkeys(route for route, _ in entries)]
    columns = {name: np.zeros(len(entries), kind) for name, kind in TYPES.items()}
    columns["route"][:] = [routes.index(route) for route, _ in entries]
    columns["requests"][:] = [count for _, count in entries]
    columns["host"][:] = 1
    columns["histogram"][:] = np.arange(1, len(entries) + 1)
    numbers = np.repeat(np.arange(1, len(entries) + 1), [count for _, count in entries])
    histograms = Histograms.of(numbers, np.full(len(numbers), 1000), len(entries) + 1)
    begins = np.cumsum([0, 0, *map(len, groups)])
    return Requests(begins, columns, routes, histograms, ["", f"{routes[1][1:]}.example"])


def said(requests: Requests, group: int) -> list[tuple[str, int, int]]:
    """Route, requests, and how many latencies there are, of each entry of a group."""
    places, _ = requests.places(np.array([group]))
    columns = requests.columns
    return [
        (
            requests.routes[columns["route"][place]],
            int(columns["requests"][place]),
            requests.histograms[int(columns["histogram"][place])].count,
        )
        for place in places.tolist()
    ]


ONE = table([("/a", 2), ("/b", 3)], [("/a", 1)])
OTHER = table([("/c", 4)])


def test_groups_that_rows_use_are_all_that_is_kept() -> None:
    """With the routes and histograms of these alone."""
    (index,), used = REQUESTS.used(ONE, [np.array([2, 0, 2], np.uint32)])
    assert index.tolist() == [1, 0, 1]
    assert said(used, 1) == [("/a", 1, 1)]
    assert list(used.routes) == ["", "/a"]
    assert len(used.histograms) == 2


def test_joined_tables_keep_what_each_group_says() -> None:
    """Numbers of groups grow by what is told, also behind empty tables."""
    whole, shifts = REQUESTS.joined([Requests(), ONE, Requests(), OTHER])
    assert shifts == [0, 0, 2, 2]
    assert said(whole, 1 + shifts[1]) == [("/a", 2, 2), ("/b", 3, 3)]
    assert said(whole, 1 + shifts[3]) == [("/c", 4, 4)]
    assert [whole.hosts[place] for place in whole.columns["host"]] == ["a.example"] * 3 + ["c.example"]


def test_a_message_has_the_same_table() -> None:
    """Nothing for an empty one; a reader of an older program's message has none."""
    read = REQUESTS.decode(ONE.encode())
    assert [said(read, group) for group in (1, 2)] == [said(ONE, group) for group in (1, 2)]
    assert read.hosts == ["", "a.example"]
    assert Requests().encode() == {}
    assert len(REQUESTS.decode({})) == 1
    message = ONE.encode()
    older = REQUESTS.decode(
        {name: message[name] for name in message if name not in ("host", "hosts", "grpc_status")}
    )
    assert older.columns["grpc_status"].tolist() == [255] * 3
    assert (older.columns["host"].tolist(), older.hosts) == ([0] * 3, [""])


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins": np.array([0, 0, 1], "<i8").tobytes()},
        {"routes": ["", 7]},
        {"routes": [""]},
        {"hosts": [""]},
        {"status": b"x"},
        {"histograms": {}},
        {"histograms": 7},
        {"begins": np.array([0, 2, 1, 3], "<i8").tobytes()},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(wrong: dict[str, object]) -> None:
    """Whatever of them is another's."""
    with pytest.raises(ValueError, match=r"groups|requests|histograms|buffer"):
        REQUESTS.decode({**ONE.encode(), **wrong})
