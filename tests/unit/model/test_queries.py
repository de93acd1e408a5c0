"""Tables of queries: groups are cut, joined and sent without losing what they point to."""

import numpy as np
import pytest

from model.histogram import Histograms
from model.queries import TYPES, Queries
from model.tables import QUERIES


def table(*groups: list[tuple[str, int]]) -> Queries:
    """Groups of (name, queries), each with a latency of 1000 ns a query."""
    entries = [entry for group in groups for entry in group]
    names = ["", *dict.fromkeys(name for name, _ in entries)]
    columns = {name: np.zeros(len(entries), kind) for name, kind in TYPES.items()}
    columns["name"][:] = [names.index(name) for name, _ in entries]
    columns["queries"][:] = [count for _, count in entries]
    columns["histogram"][:] = np.arange(1, len(entries) + 1)
    numbers = np.repeat(np.arange(1, len(entries) + 1), [count for _, count in entries])
    histograms = Histograms.of(numbers, np.full(len(numbers), 1000), len(entries) + 1)
    return Queries(np.cumsum([0, 0, *map(len, groups)]), columns, names, histograms)


def said(queries: Queries, group: int) -> list[tuple[str, int, int]]:
    """Name, queries, and how many latencies there are, of each entry of a group."""
    places, _ = queries.places(np.array([group]))
    columns = queries.columns
    return [
        (
            queries.names[columns["name"][place]],
            int(columns["queries"][place]),
            queries.histograms[int(columns["histogram"][place])].count,
        )
        for place in places.tolist()
    ]


ONE = table([("a.test", 2), ("b.test", 3)], [("a.test", 1)])
OTHER = table([("c.test", 4)])


def test_groups_are_cut_with_what_they_point_to() -> None:
    (index,), cut = QUERIES.used(ONE, [np.array([2, 0, 2])])
    assert index.tolist() == [1, 0, 1]
    assert said(cut, 1) == [("a.test", 1, 1)]
    assert list(cut.names) == ["", "a.test"]


def test_tables_are_joined() -> None:
    joined, shifts = QUERIES.joined([ONE, OTHER])
    assert shifts == [0, 2]
    assert [said(joined, group) for group in (1, 2, 3)] == [said(ONE, 1), said(ONE, 2), said(OTHER, 1)]


def test_a_message_has_all_of_it() -> None:
    for one in (ONE, Queries()):
        again = QUERIES.decode(QUERIES.encode(one))
        assert [said(again, group) for group in range(len(again))] == [
            said(one, group) for group in range(len(one))
        ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins": np.array([0, 0, 9], "<i8").tobytes()},
        {"begins": np.array([0, 2, 1], "<i8").tobytes()},
        {"names": [""]},
        {"names": [1, 2, 3]},
        {"type": b"\0"},
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        QUERIES.decode(QUERIES.encode(ONE) | wrong)
