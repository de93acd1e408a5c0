"""A store whose last windows of edges are kept: who looks around asks for the same window again and again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from store.measures import EVERYTHING, MOST, REQUEST_MEASURES, REQUEST_SUMS, SUMS
from store.queries.when import SETTLED_S
from store.reading import (
    Bounds,
    Chains,
    Drops,
    Edges,
    Endpoints,
    Gap,
    Instances,
    Series,
    Store,
    Window,
    Workloads,
)

#: Windows that are kept: that which is looked at, and that which it is compared with; 10 MB for 100,000 edges.
WINDOWS: Final = 2
#: Seconds for which a window is kept that late rows may still change.
FRESH_S: Final = 5.0
#: A window, and the sums that were asked for.
_Key = tuple[Window, tuple[str, ...]]


class KeptEdges:
    """Answers as the store does; edges of a window that is complete may be as old as ``FRESH_S``."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[float, Edges]] = OrderedDict()  # until when

    def edges(
        self,
        window: Window,
        edges: Sequence[int] | np.ndarray | None = None,
        histograms: bool = True,
        columns: Sequence[str] = (*SUMS, *MOST),
    ) -> Edges:
        """All of a window without histograms are kept."""
        if edges is not None or histograms:
            return self._store.edges(window, edges, histograms, columns)
        key = window, tuple(columns)
        with self._lock:
            until, kept = self._kept.get(key, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept
        bounds = self._store.bounds()
        found = self._store.edges(window, histograms=False, columns=columns)
        if window.to_s <= bounds.complete_s:
            settled = window.to_s + SETTLED_S <= bounds.complete_s
            self._keep(key, found, float("inf") if settled else self._clock() + FRESH_S)
        return found

    def _keep(self, key: _Key, edges: Edges, until: float) -> None:
        with self._lock:
            self._kept[key] = (until, edges)
            self._kept.move_to_end(key)
            while len(self._kept) > WINDOWS:
                self._kept.popitem(last=False)

    def series(
        self,
        window: Window,
        step_s: int,
        edges: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = EVERYTHING,
    ) -> Series:
        """The store's."""
        return self._store.series(window, step_s, edges, columns)

    def endpoints(
        self, window: Window, edges: Sequence[int] | np.ndarray | None = None, histograms: bool = True
    ) -> Endpoints:
        """The store's."""
        return self._store.endpoints(window, edges, histograms)

    def request_series(
        self,
        window: Window,
        step_s: int,
        endpoints: Sequence[int] | np.ndarray | None = None,
        columns: Sequence[str] = (*REQUEST_SUMS, *REQUEST_MEASURES),
    ) -> Series:
        """The store's."""
        return self._store.request_series(window, step_s, endpoints, columns)

    def drops(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Drops:
        """The store's."""
        return self._store.drops(window, edges)

    def workloads(self) -> Workloads:
        """The store's."""
        return self._store.workloads()

    def instances(self, window: Window, workloads: Sequence[int] | np.ndarray | None = None) -> Instances:
        """The store's."""
        return self._store.instances(window, workloads)

    def chains(self, window: Window, edges: Sequence[int] | np.ndarray | None = None) -> Chains:
        """The store's."""
        return self._store.chains(window, edges)

    def reporters(self, window: Window) -> list[str]:
        """The store's."""
        return self._store.reporters(window)

    def gaps(self, window: Window) -> list[Gap]:
        """The store's."""
        return self._store.gaps(window)

    def bounds(self) -> Bounds:
        """The store's."""
        return self._store.bounds()

    def close(self) -> None:
        """Let go."""
        self._store.close()
