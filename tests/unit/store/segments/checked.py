"""What a store says of a window, compared with the truth; and what may happen to a store."""

from collections import Counter

import numpy as np
from hypothesis import strategies as st

from model.kinds.workload import MEASURES
from store.reading import Edges, Store, Window, Workloads
from tests.unit.store.segments.made import Edge, Truth, sums_of

ROW = st.fixed_dictionaries(
    {
        "client": st.integers(0, 3),
        "server": st.integers(1, 3),
        "port": st.sampled_from([53, 443]),
        "bytes": st.integers(0, 1 << 45),
        "reply_bytes": st.integers(0, 300),
        "connections.failed.refused": st.integers(0, 3),
        "rtt": st.sampled_from([0, 0, 1, 999, 10**6, 1 << 40]),
        "window.late_s": st.sampled_from([0, 0, 0, 0, 1, 70, 700]),
    }
)
#: Seconds until the next batch, its rows, and what happens then.
STEP = st.tuples(
    st.sampled_from([1, 1, 1, 7, 45, 61, 400, -1, -90]),
    st.lists(ROW, max_size=4),
    st.sampled_from(["", "", "", "again", "rotate", "reopen"]),
)


def edges_of(store: Store, answer: Edges) -> list[Edge]:
    """Who, on which port, of each row."""
    workloads: Workloads = store.workloads()
    clients, servers = (workloads.rows(ids).tolist() for ids in (answer.clients, answer.servers))
    ports = answer.ports.tolist()
    return [
        (workloads.parts[client], workloads.parts[server], port)
        for client, server, port in zip(clients, servers, ports, strict=True)
    ]


def check(store: Store, truth: Truth, window: Window) -> None:
    """All that the store says of a window."""
    answer = store.edges(window)
    assert answer.window == window, "seconds are kept one by one"
    names, expected = edges_of(store, answer), truth.of(*window)
    assert (
        dict(zip(names, (sums_of(answer.measures, row) for row in range(len(names))), strict=True))
        == expected
    )
    for row, edge in enumerate(names):
        first, last = (int(answer.measures[name][row]) for name in ("first_s", "last_s"))
        assert (first, last) == truth.seconds(*window, edge)
        for measure in MEASURES:
            found = answer.measures.histograms[int(answer.measures[f"{measure}.index"][row])].counts
            assert found == truth.histogram(*window, edge, measure)


def check_series(store: Store, truth: Truth, window: Window, step_s: int) -> None:
    """The steps of a window, and that each has its own seconds."""
    series = store.series(window, step_s)
    assert series.step_s == step_s
    names = dict(
        zip((answer := store.edges(series.window)).ids.tolist(), edges_of(store, answer), strict=True)
    )
    found: dict[tuple[int, Edge], Counter[str]] = {
        (int(at), names[int(edge)]): sums_of(series.measures, row)
        for row, (at, edge) in enumerate(zip(series.begins_s, series.ids, strict=True))
    }
    expected = {
        (at, edge): sums
        for at in range(series.window.from_s, series.window.to_s, step_s)
        for edge, sums in truth.of(at, at + step_s).items()
    }
    assert found == expected
    assert (np.diff(series.begins_s) >= 0).all()
