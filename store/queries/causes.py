"""Causes of failures: values that separate the bad from the healthy, since when, and what began just before."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from actors.explain.causes import Cause, explain
from actors.explain.leaves import UNKNOWN
from store.queries.answers import CauseFound, JustBefore
from store.queries.counted import Counted
from store.queries.dropped import DROPS
from store.queries.groups import workload_key
from store.queries.moments import moments_answer
from store.queries.parameters import FailureKind, MomentsParameters
from store.queries.scope import Scope
from store.queries.when import COARSEST_S
from store.reading import Window

#: Seconds before the window, and before a failure began, that are looked at.
_BACK_S: Final = 900
#: Other names and moments of a cause at most.
_NAMES: Final = 6
_MOMENTS: Final = 5
#: Names of the same traffic: what people change comes first.
_ORDER: Final = (
    "workload",
    "version",
    "route",
    "region",
    "zone",
    "node",
    "image",
    "instance",
    "process",
    "port",
)
_BEGINNINGS: Final = ("version", "workload", "agent", "instance")
#: Below this no rate counts as normal where a begin is looked for.
_LEAST_NORMAL: Final = 1e-4
#: What is looked at step by step: what is bad, and of what; but for requests these are the others.
_SERIES: Final[dict[FailureKind, tuple[str, ...]]] = {
    "requests": ("requests.failed", "requests"),
    "connects": ("connections.failed", "connections.opened"),
    "drops": DROPS,
}


def causes_of(scope: Scope, found: Counted, of: FailureKind) -> tuple[list[CauseFound], list[str]]:
    """The causes, best first, and the attributes in which nothing differs beside them."""
    told = explain(found.leaves, either=found.either)
    causes = [_cause(scope, found, each, of) for each in told.causes]
    named = {name for cause in causes for words in (cause.where, *cause.also_known_as) for name in words}
    return causes, [name for name in told.no_difference if name not in found.unsure | named]


def _cause(scope: Scope, found: Counted, cause: Cause, of: FailureKind) -> CauseFound:
    rows = found.inside(cause.where)
    names = _names(found, cause)
    began = _began(scope, found.rows.ids[rows], cause, of)
    return CauseFound(
        where=names[0],
        explains=round(cause.explains, 4),
        score=round(cause.score, 2),
        bad=int(cause.bad),
        total=int(cause.total),
        rate_inside=_share(cause.bad, cause.total),
        rate_outside=round(cause.rate_outside, 6),
        rate_expected=_share(cause.expected, cause.total),
        also_known_as=names[1 : _NAMES + 1],
        began_s=began,
        before=[] if began is None else _before(scope, found, rows, began),
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole else 0.0


def _names(found: Counted, cause: Cause) -> list[dict[str, str]]:
    """Of the cause, the one that people know it by first; without those that say nothing."""
    if not cause.where:
        return [cause.where]
    names = sorted([cause.where, *cause.also_known_as], key=lambda where: _rank(found, where))
    return [names[0], *(name for name in names[1:] if not _rank(found, name)[0])]


def _rank(found: Counted, where: dict[str, str]) -> tuple[bool, int, int]:
    vague = any(
        value == UNKNOWN or (name.rpartition(".")[2], value) in found.vague for name, value in where.items()
    )
    plain = [name.rpartition(".")[2] for name in where]
    return vague, len(where), min(_ORDER.index(name) if name in _ORDER else len(_ORDER) for name in plain)


def _began(scope: Scope, ids: np.ndarray, cause: Cause, of: FailureKind) -> int | None:
    """The first second of the stretch that is likeliest ill; None if it was so when the look back begins."""
    window = Window(scope.when.window.from_s - _BACK_S, scope.when.window.to_s)
    step_s = _step(scope, window)
    ids = np.unique(ids)
    names = _SERIES[of]
    read = scope.store.request_series if of == "requests" else scope.store.series
    series = read(window, step_s, ids, columns=names)
    begins, place = np.unique(series.begins_s, return_inverse=True)
    bad, *others = (np.bincount(place, series.measures[name], len(begins)) for name in names)
    total = sum(others) if of == "requests" else bad + sum(others)
    ill = min(max(_share(cause.bad, cause.total), 2 * _LEAST_NORMAL), 0.999)
    normal = min(max(_share(cause.expected, cause.total), _LEAST_NORMAL), ill / 2)
    nats = bad * np.log(ill / normal) + (total - bad) * np.log((1 - ill) / (1 - normal))
    summed = np.append(0.0, np.cumsum(nats))
    end = int(np.argmax(summed - np.minimum.accumulate(summed)))
    first = int(np.argmin(summed[: end + 1]))
    first += int(np.argmax(bad[first:] > 0)) if first < len(bad) else 0
    return scope.when.second(int(begins[first])) if 0 < first < len(begins) else None


def _step(scope: Scope, window: Window) -> int:
    """Seconds: whole minutes where an answer must stay the same, and in long windows."""
    if not scope.when.settled and window.seconds <= 2 * 3600:
        return 1
    return COARSEST_S * max(1, window.seconds // 86400)


def _before(scope: Scope, found: Counted, rows: np.ndarray, began: int) -> list[JustBefore]:
    """Versions, workloads, machines and instances of the cause that were first seen shortly before."""
    step = _step(scope, Window(scope.when.window.from_s - _BACK_S, scope.when.window.to_s))
    when = replace(scope.when, window=Window(began - _BACK_S, began + step), against=None)
    moments = moments_answer(Scope(scope.store, when), MomentsParameters(limit=10_000)).moments
    keys = set(_keys(scope, found, rows))
    mine = [each for each in moments if each.what in _BEGINNINGS and (not each.key or each.key in keys)]
    mine.sort(key=lambda each: (_BEGINNINGS.index(each.what), -each.at_s, each.id))
    return [JustBefore(scope.when.second(each.at_s), each.what, each.text) for each in mine[:_MOMENTS]]


def _keys(scope: Scope, found: Counted, rows: np.ndarray) -> Iterable[str]:
    workloads = scope.groups.workloads
    ids = np.unique(np.concatenate([found.rows.clients[rows], found.rows.servers[rows]]))
    return (workload_key(workloads.parts[place]) for place in workloads.rows(ids).tolist())
