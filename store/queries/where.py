"""Where failures are: the share of each version, zone, node, instance, process and port, beside its share of all."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from actors.explain.leaves import UNKNOWN
from model.kinds.request_text import answer_text
from store.queries.answers import By, Share, WhereAnswer
from store.queries.causes import causes_of
from store.queries.counted import counted, counted_failures
from store.queries.dropped import kinds_of
from store.queries.parameters import Attribute, WhereParameters
from store.queries.requested import counted_once
from store.queries.scope import Scope
from store.queries.status import bounds
from store.queries.tables import selected_rows
from store.reading import Edges, Instance

#: Values of an attribute at most; the others are together in the last.
_VALUES = 50

_INSTANCE: dict[str, Callable[[Instance], str]] = {
    "region": lambda instance: instance.region,
    "node": lambda instance: instance.node,
    "instance": lambda instance: instance.pod or instance.container or instance.address,
    "process": lambda instance: instance.process,
}


def where_answer(scope: Scope, asked: WhereParameters) -> WhereAnswer:
    """Causes, and simple counts over edges; an attribute with one value tells nothing and is left out."""
    rows = selected_rows(scope, asked.select, asked.edge)
    side = scope.pairs.now
    mine = np.flatnonzero(np.isin(side.pairs, rows))
    edges = side.edges.take(mine)
    failed, attempts = counted_failures(edges.measures, asked.of)
    by = []
    for attribute in asked.by:
        if attribute == "port":
            by.append(_by("server.port", [str(port) for port in edges.ports.tolist()], failed, attempts))
            continue
        values = _values(scope, attribute)
        for name, ids in (("client", edges.clients), ("server", edges.servers)):
            texts = [values[place] for place in scope.groups.workloads.rows(ids).tolist()]
            by.append(_by(f"{name}.{attribute}", texts, failed, attempts))
    by = [each for each in by if len(each.values) > 1]
    if asked.of == "drops":
        by += _by_drops(scope, edges, attempts)
    elif asked.of == "requests":
        by += _by_answers(scope, edges)
    found = sorted(by, key=_suspicion, reverse=True)
    leaves = counted(scope, asked) if failed.any() else None
    causes, same = causes_of(scope, leaves, asked.of) if leaves is not None else ([], [])
    return WhereAnswer(asked.of, int(failed.sum()), int(attempts.sum()), causes, same, found)


def _by_drops(scope: Scope, edges: Edges, packets: np.ndarray) -> Iterator[By]:
    """Why packets were dropped, and where; also if there is one value: it is the answer."""
    told = scope.store.drops(scope.when.window, edges.ids)
    kinds, total = kinds_of(told), int(packets.sum())
    for place, name in enumerate(("drop.reason", "drop.chain", "drop.node")):
        texts = [kind[place] for kind in kinds]
        if set(texts) - {"-", ""}:
            yield _by(name, texts, told.packets, told.packets, total)


def _by_answers(scope: Scope, edges: Edges) -> Iterator[By]:
    """How requests that failed were answered; also if it is one answer."""
    told = counted_once(scope.endpoints(scope.when.window, edges.ids, histograms=False), scope.words)
    failed, requests = counted_failures(told.measures, "requests")
    rows = np.flatnonzero(failed)
    if len(rows):
        codes = zip(*(told.parts[name][rows].tolist() for name in ("status", "grpc_status")), strict=True)
        texts = [answer_text(int(status), int(grpc)) for status, grpc in codes]
        yield _by("status", texts, failed[rows], failed[rows], int(requests.sum()))


def _suspicion(by: By) -> float:
    """How far failures are from being spread as attempts are: half the sum of the differences of shares."""
    return round(sum(abs(value.share - value.share_of_opens) for value in by.values) / 2, 9)


def _values(scope: Scope, attribute: Attribute) -> Sequence[str]:
    """Of each workload."""
    workloads = scope.groups.workloads
    if attribute in ("version", "zone"):
        return [getattr(part, attribute) or UNKNOWN for part in workloads.parts]
    of = _INSTANCE[attribute]
    held: dict[int, set[str]] = {}
    for workload, part in zip(scope.instances.workloads.tolist(), scope.instances.parts, strict=True):
        if text := of(part):
            held.setdefault(workload, set()).add(text)
    return [_one(held.get(workload, set())) for workload in workloads.ids.tolist()]


def _one(values: set[str]) -> str:
    """The value of a workload; sums of one that has several are not known apart."""
    return next(iter(values)) if len(values) == 1 else f"one of {len(values)}" if values else UNKNOWN


def _by(
    attribute: str, texts: Sequence[str], failed: np.ndarray, attempts: np.ndarray, of_all: int = 0
) -> By:
    """:param of_all: attempts that each value is of, where they are not its own."""
    names, numbers = np.unique(np.array(texts, object).astype(str), return_inverse=True)
    bad = np.bincount(numbers, failed, len(names)).astype(np.int64)
    of = np.bincount(numbers, attempts, len(names)).astype(np.int64)
    if of_all:
        of[:] = of_all
    low, high = bounds(bad, of)
    all_bad, all_of = int(bad.sum()), int(of.sum())
    order = np.lexsort((names, -of, -low))[:_VALUES]
    return By(
        attribute,
        [
            _share(
                str(names[place]),
                (int(bad[place]), int(of[place])),
                (all_bad, all_of),
                (float(low[place]), float(high[place])),
            )
            for place in order.tolist()
        ],
    )


def _share(value: str, mine: tuple[int, int], total: tuple[int, int], bound: tuple[float, float]) -> Share:
    failed, attempts = mine
    share = failed / total[0] if total[0] else 0.0
    share_of_opens = attempts / total[1] if total[1] else 0.0
    return Share(
        value=value,
        failed=failed,
        attempts=attempts,
        share=round(share, 4),
        share_of_opens=round(share_of_opens, 4),
        lift=round(share / share_of_opens, 3) if share_of_opens else 0.0,
        rate=round(failed / attempts, 4) if attempts else 0.0,
        low=round(bound[0], 4),
        high=round(bound[1], 4),
    )
