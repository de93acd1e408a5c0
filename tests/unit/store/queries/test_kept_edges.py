"""Windows of edges that are kept."""

from typing import Any

from store.queries.kept_edges import FRESH_S, WINDOWS, KeptEdges
from store.reading import Edges, Window
from tests.unit.store.queries.fleets import BEGIN, two_minutes
from tests.unit.store.queries.rows_store import RowsStore


class Counting(RowsStore):
    """Counts what is read."""

    reads = 0

    def edges(self, *said: Any, **more: Any) -> Edges:
        """As ever."""
        self.reads += 1
        return super().edges(*said, **more)


def test_a_window_that_is_complete_is_read_once_until_late_rows_may_have_come() -> None:
    whole, now = two_minutes(), 0.0
    store = Counting([])
    store.__dict__.update(whole.__dict__)
    kept = KeptEdges(store, lambda: now)
    window = Window(BEGIN, BEGIN + 60)
    first = kept.edges(window, histograms=False)
    assert kept.edges(window, histograms=False) is first
    assert store.reads == 1
    now = FRESH_S
    assert kept.edges(window, histograms=False) is not None
    assert store.reads == 2
    kept.edges(window)  # with histograms
    kept.edges(Window(BEGIN, BEGIN + 500), histograms=False)  # not complete
    kept.edges(Window(BEGIN, BEGIN + 500), histograms=False)
    assert store.reads == 5
    for seconds in range(1, WINDOWS + 1):
        kept.edges(Window(BEGIN, BEGIN + seconds), histograms=False)
    assert len(kept._kept) == WINDOWS
