"""Queries on a node: they go with the rows of their sockets, at once, later, or never."""

import numpy as np

from actors.node.queries import CELL, NodeQueries
from actors.node.requests import LINGER
from model.ledger import Stage

NAMES = {7: "a.test", 8: "b.test"}


def cells(*wanted: tuple[int, int, int, int]) -> np.ndarray:
    """Of slot, hash of the name, response code, queries."""
    made = np.zeros(len(wanted), CELL)
    for place, (slot, name, rcode, count) in enumerate(wanted):
        made["header"]["slot"][place], made["header"]["generation"][place] = slot, 1
        made["name"][place], made["rcode"][place], made["queries"][place] = name, rcode, count
        made["buckets"][place][0] = count
    return made


def rows(*slots: int) -> dict[str, np.ndarray]:
    return {"socket.slot": np.array(slots, "<u4"), "socket.generation": np.ones(len(slots), "<u4")}


def test_queries_go_with_the_row_of_their_socket() -> None:
    stage = Stage("queries")
    node = NodeQueries(stage, NAMES.get)
    node.take(cells((5, 7, 0, 2), (6, 8, 3, 1), (5, 1, 2, 4)))
    columns = rows(6, 4, 5)
    found = node.group(columns)
    assert columns["queries.index"].tolist() == [1, 0, 2]
    places, _ = found.places(np.array([2]))
    said = [
        (found.names[found.columns["name"][at]], int(found.columns["queries"][at])) for at in places.tolist()
    ]
    assert sorted(said) == [("a.test", 2), ("other", 4)]
    assert found.histograms[int(found.columns["histogram"][places[0]])].count in (2, 4)
    assert stage.delivered == 7
    assert stage.balanced


def test_queries_wait_for_a_row_and_are_given_up_at_last() -> None:
    stage = Stage("queries")
    node = NodeQueries(stage, NAMES.get)
    node.take(cells((5, 7, 0, 2), (6, 7, 0, 1)))
    node.group(rows(4))
    assert stage.queued == 3
    assert sorted(node.slots.tolist()) == [5, 6]
    columns = rows(5)
    node.group(columns)
    assert columns["queries.index"].tolist() == [1]
    for _ in range(LINGER):
        node.group(rows(4))
    assert stage.dropped == {"socket_unknown": 1}
    assert stage.balanced


def test_a_name_that_was_not_told_is_empty_and_noted() -> None:
    stage = Stage("queries")
    node = NodeQueries(stage, NAMES.get)
    node.take(cells((5, 99, 0, 1)))
    assert list(node.group(rows(5)).names) == [""]
    assert stage.noted == {"name_unknown": 1}
