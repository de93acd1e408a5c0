"""Listeners of a node: rows when there is something to say, and what grew since the last one."""

from collections.abc import Iterator

import numpy as np
import pytest

from actors.node.cgroups import Cgroups
from actors.node.listeners import PRESSURE_S, NodeListeners
from model.arrays import Columns
from probes.kernel.layout import structs

Row = dict[str, int]


def event(cell: int = 3, generation: int = 1, **state: int) -> np.ndarray:
    """One ``struct listener_event``."""
    made = np.zeros(1, structs("listeners")["listener_event"])
    made["header"]["slot"], made["header"]["generation"] = cell, generation
    made["listener"]["port"], made["listener"]["limit"] = 80, 8
    for name, value in state.items():
        made["listener"][name] = value
    return made


def told(columns: Columns) -> Iterator[Row]:
    """What rows say of queues."""
    names = ("queue", "limit", "overflows", "accepted", "ended")
    for place in range(len(columns["listener.id"])):
        yield {name: int(columns[f"listener.{name}"][place]) for name in names}


@pytest.fixture
def listeners() -> NodeListeners:
    """Nobody listens yet."""
    return NodeListeners(Cgroups())


def said(listeners: NodeListeners, window: int) -> list[Row]:
    """The rows of a second."""
    return list(told(listeners.rows(window)))


def test_a_quiet_listener_has_a_row_when_it_begins_and_one_when_it_ends(listeners: NodeListeners) -> None:
    """Connections that are accepted in time are no news; the last row has those since the first."""
    listeners.learn(event())
    assert said(listeners, 100) == [{"queue": 0, "limit": 8, "overflows": 0, "accepted": 0, "ended": 0}]
    listeners.learn(event(accepted=5))
    assert said(listeners, 101) == []
    listeners.learn(event(accepted=9, ended=1))
    assert said(listeners, 102) == [{"queue": 0, "limit": 8, "overflows": 0, "accepted": 9, "ended": 1}]
    assert said(listeners, 103) == []


def test_overflows_are_told_in_their_second_and_for_a_minute_what_follows(listeners: NodeListeners) -> None:
    """``sk_drops`` has 32 bits and may wrap."""
    listeners.learn(event(overflows=2**32 - 2))
    listeners.rows(99)
    listeners.learn(event(queue=9, overflows=3, accepted=9))
    assert said(listeners, 100) == [{"queue": 9, "limit": 8, "overflows": 5, "accepted": 9, "ended": 0}]
    listeners.learn(event(queue=0, overflows=3, accepted=20))
    assert said(listeners, 101) == [{"queue": 0, "limit": 8, "overflows": 0, "accepted": 11, "ended": 0}]
    assert len(said(listeners, 100 + PRESSURE_S - 1)) == 1
    assert said(listeners, 100 + PRESSURE_S) == []


def test_a_changed_limit_is_told(listeners: NodeListeners) -> None:
    """listen() may be called again."""
    listeners.learn(event())
    listeners.rows(100)
    listeners.learn(event(limit=128))
    assert [row["limit"] for row in said(listeners, 101)] == [128]


def test_a_cell_that_another_socket_took_begins_anew(listeners: NodeListeners) -> None:
    """What the one before had dropped is not the new one's."""
    listeners.learn(event(overflows=7))
    listeners.rows(100)
    listeners.learn(event(generation=2, overflows=1))
    columns = listeners.rows(101)
    assert [row["overflows"] for row in told(columns)] == [1]
    assert columns["listener.id"].tolist() == [2 << 32 | 3]
