"""Sums of a store's answers in groups: they are what adding row by row gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.histogram import Histograms
from store.measures import INDEXES, MOST, SUMS, Measures

#: Bytes, connections active, a second, and a round trip of a row, and the group that it belongs to.
ROWS = st.lists(
    st.tuples(
        *(st.integers(0, 1 << 50), st.integers(0, 1000), st.integers(1, 1 << 32)),
        *(st.integers(0, 1 << 40), st.integers(0, 4)),
    ),
    max_size=40,
)


def measures_of(rows: list[tuple[int, int, int, int, int]]) -> Measures:
    """A row each."""
    values = np.array(rows, np.int64).reshape(-1, 5)
    columns: dict[str, np.ndarray] = {name: np.zeros(len(rows), np.uint64) for name in (*SUMS, *MOST)}
    columns["bytes"] = values[:, 0].astype(np.uint64)
    columns["connections.active"] = values[:, 1].astype(np.uint64)
    columns["first_s"] = columns["last_s"] = values[:, 2]
    histograms = Histograms.of(np.arange(1, len(rows) + 1), values[:, 3].astype(np.uint64), len(rows) + 1)
    places = np.where(values[:, 3] == 0, 0, np.arange(1, len(rows) + 1)).astype(np.uint32)
    empty = np.zeros(len(rows), np.uint32)
    return Measures(columns | dict(zip(INDEXES.values(), (places, empty), strict=True)), histograms)


@given(ROWS)
def test_groups_are_summed_exactly(rows: list[tuple[int, int, int, int, int]]) -> None:
    """Numbers added, the most connections, the first and last second, and the histogram of all values."""
    measures = measures_of(rows)
    groups = np.array([row[4] for row in rows], np.int64)
    summed = measures.summed(groups, 5)
    for group in range(5):
        mine = [row for row in rows if row[4] == group]
        assert summed["bytes"][group] == sum(row[0] for row in mine)
        assert summed["connections.active"][group] == max([row[1] for row in mine], default=0)
        assert summed["first_s"][group] == min([row[2] for row in mine], default=0)
        assert summed["last_s"][group] == max([row[2] for row in mine], default=0)
        values = np.array([row[3] for row in mine], np.uint64)
        truth = Histograms.of(np.ones(len(mine)), values, 2)[1]
        assert summed.histograms[int(summed["rtt_ns.index"][group])] == truth
        assert summed.quantiles("rtt_ns", 0.99)[group] == truth.quantile(0.99)
        assert summed.quantiles("connect_latency_ns", 0.5)[group] == 0
