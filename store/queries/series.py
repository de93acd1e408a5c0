"""Sums over time: one row a step."""

from collections.abc import Sequence

import numpy as np

from model.errors import UsageError
from store.measures import Measures
from store.queries.answers import SeriesAnswer
from store.queries.parameters import Metric, SeriesParameters
from store.queries.requested import counted_once, quantiles
from store.queries.scope import Scope
from store.queries.tables import selected_rows
from store.queries.when import When
from store.reading import Series

#: Steps that ``auto`` chooses among, and how many an answer has at most then.
_STEPS_S = (1, 10, 60, 300, 900, 3600, 10_800, 86_400)
_AUTO_STEPS = 720
#: Steps of an answer at most.
_MOST_STEPS = 100_000

_COLUMNS = {
    "bytes": "bytes",
    "reply_bytes": "reply_bytes",
    "opened": "connections.opened",
    "closed": "connections.closed",
    "failed": "connections.failed",
    "retransmits": "retransmitted_segments",
    "sent": "sent_segments",
    "dropped": "dropped_segments",
    "active": "connections.active",
}
_REQUESTS = {"requests": "requests", "requests_failed": "requests.failed"}
_REQUEST_QUANTILES = {"request_p50": 0.5, "request_p99": 0.99}
_QUANTILES = {
    "p50": ("connect_latency_ns", 0.5),
    "p99": ("connect_latency_ns", 0.99),
    "rtt_p50": ("rtt_ns", 0.5),
    "rtt_p99": ("rtt_ns", 0.99),
}


def series_answer(scope: Scope, asked: SeriesParameters) -> SeriesAnswer:
    """Columns over the steps of the window.

    :raises UsageError: if the step is none.
    """
    step_s = _step(asked.step, scope.when)
    ids = None
    if asked.edge or asked.select or asked.q:
        rows = selected_rows(scope, asked.select, asked.edge)
        side = scope.pairs.now
        ids = side.edges.ids[np.isin(side.pairs, rows)]
    of_edges = [metric for metric in asked.metrics if not _is_of_requests(metric)]
    found = scope.store.series(scope.when.window, step_s, ids, _wanted(of_edges))
    begins = np.arange(
        scope.when.window.from_s // found.step_s * found.step_s, scope.when.window.to_s, found.step_s
    )
    sums = _by_step(found, begins)
    unknown = _unknown(scope, begins, found.step_s)
    columns = {metric: _column(sums, metric, unknown) for metric in of_edges}
    if len(of_edges) < len(asked.metrics):
        columns |= _requests(scope, asked, ids, found.step_s, begins, unknown)
    return SeriesAnswer(
        step_s=found.step_s,
        begins_s=begins.tolist(),
        columns={metric: columns[metric] for metric in asked.metrics},
    )


def _is_of_requests(metric: Metric) -> bool:
    return metric in _REQUESTS or metric in _REQUEST_QUANTILES


def _requests(
    scope: Scope,
    asked: SeriesParameters,
    edges: np.ndarray | None,
    step_s: int,
    begins: np.ndarray,
    unknown: np.ndarray,
) -> dict[Metric, list[int | None]]:
    """Those columns that are of requests: of the edges' endpoints that match."""
    held = scope.all_endpoints if edges is None else scope.endpoints(scope.when.window, edges)
    once = counted_once(held, scope.words)
    endpoints = None if edges is None and once is held else once.ids
    found = scope.store.request_series(scope.when.window, step_s, endpoints)
    sums = found.measures.summed(np.searchsorted(begins, found.begins_s), len(begins))
    columns: dict[Metric, list[int | None]] = {}
    for metric in asked.metrics:
        if metric in _REQUESTS:
            columns[metric] = _told(sums[_REQUESTS[metric]], unknown)
        elif metric in _REQUEST_QUANTILES:
            values = quantiles(sums, _REQUEST_QUANTILES[metric]).astype(np.int64)
            columns[metric] = _told(values, unknown | (values == 0))
    return columns


def _wanted(metrics: Sequence[Metric]) -> list[str]:
    """What the store is asked for."""
    found = [_QUANTILES[each][0] if each in _QUANTILES else _COLUMNS[each] for each in metrics]
    return sorted({*found, "connections.active"})


def _step(text: str, when: When) -> int:
    seconds = when.window.seconds
    if text == "auto":
        least = 60 if when.settled else 1
        fine = (step for step in _STEPS_S if step >= least and seconds <= step * _AUTO_STEPS)
        return next(fine, _STEPS_S[-1])
    step = int(text)
    if not step or (step != 1 and step % 10) or seconds > step * _MOST_STEPS:
        raise UsageError(
            f"a step of {text} s", f"write 1 or a multiple of 10, at least {-(-seconds // _MOST_STEPS)}"
        )
    return step


def _by_step(found: Series, begins: np.ndarray) -> Measures:
    """All edges of each step together; those that were active at once add up."""
    steps = np.searchsorted(begins, found.begins_s)
    sums = found.measures.summed(steps, len(begins))
    active = np.bincount(steps, found.measures["connections.active"], len(begins))
    sums.columns["connections.active"] = active.astype(np.uint64)
    return sums


def _unknown(scope: Scope, begins: np.ndarray, step_s: int) -> np.ndarray:
    """Steps of which nothing is known: in a gap of the whole store, and those that have not come yet; bool."""
    bounds = scope.store.bounds()
    unknown = (begins >= bounds.complete_s) | (begins + step_s <= bounds.oldest_s)
    for gap in scope.gaps:
        if not gap.node and gap.is_silence:
            unknown |= (begins >= gap.from_s) & (begins + step_s <= gap.to_s)
    return np.asarray(unknown, np.bool_)


def _column(sums: Measures, metric: Metric, unknown: np.ndarray) -> list[int | None]:
    if metric in _QUANTILES:
        measure, share = _QUANTILES[metric]
        values = sums.quantiles(measure, share).astype(np.int64)
        unknown = unknown | (sums[f"{measure}.index"] == 0)
    else:
        values = sums[_COLUMNS[metric]]
    return _told(values, unknown)


def _told(values: np.ndarray, unknown: np.ndarray) -> list[int | None]:
    return [
        None if lacking else value for value, lacking in zip(values.tolist(), unknown.tolist(), strict=True)
    ]
