"""Network or application? The figures of edges or a node, in the window and in the time before, and what they say."""

from collections import Counter

import numpy as np
from msgspec.structs import replace

from store.measures import Measures
from store.queries.answers import DropCause
from store.queries.dropped import causes_of_pairs
from store.queries.listings import QualityAnswer, QualityFigure, QualityFinding
from store.queries.pairs import Pairs, Side
from store.queries.parameters import QualityParameters
from store.queries.requested import quantiles
from store.queries.scope import Scope
from store.queries.tables import selected_rows
from store.queries.verdict import Figures, judged

#: The quantile that hardly any round trip is below.
_FLOOR = 0.05


def quality_answer(scope: Scope, asked: QualityParameters) -> QualityAnswer:
    """One verdict of all edges that are meant.

    :raises NotFoundError: if something is named that is not known.
    """
    rows, pairs = selected_rows(scope, asked.select, asked.edge), scope.pairs
    now = _figures(pairs, pairs.now, rows)
    usual = _figures(pairs, pairs.before, rows) if pairs.before is not None else Figures()
    drops = _drops(pairs, pairs.now, rows)
    usual_drops = _drops(pairs, pairs.before, rows) if pairs.before is not None else []
    told = judged(now, usual, drops, usual_drops)
    return QualityAnswer(
        verdict=told.verdict,
        sentence=told.sentence,
        findings=[QualityFinding(each.verdict, each.text) for each in told.findings],
        figures=[
            QualityFigure(name, round(float(value), 3), round(float(before), 3))
            for name, value, before in zip(Figures._fields, now, usual, strict=True)
        ],
        edges=len(rows),
        usual=usual.tells,
    )


def _figures(pairs: Pairs, side: Side, rows: np.ndarray) -> Figures:
    """Of these rows together; what their listeners dropped is known of no client, and is in rows of its own."""
    if not len(rows):
        return Figures()
    sums = _one(side.measures(rows, len(pairs)))
    listeners = side.measures(_with_listeners(pairs, rows), len(pairs))
    requests = side.requests(rows, len(pairs))

    def count(*names: str) -> int:
        return sum(int(sums[name][0]) for name in names if name in sums.columns)

    def dropped(name: str) -> int:
        return int(listeners[name].sum()) if name in listeners.columns else 0

    asked = _one(requests) if requests is not None else None
    p50, p99 = (float(quantiles(asked, share)[0]) if asked is not None else 0.0 for share in (0.5, 0.99))
    return Figures(
        seconds=count(*(name for name in sums.columns if name.startswith("evidence."))),
        sent=count("sent_segments"),
        retransmitted=count("retransmitted_segments"),
        rtt_ns=float(sums.quantiles("rtt_ns", 0.5)[0]),
        rtt_floor_ns=float(sums.quantiles("rtt_ns", _FLOOR)[0]),
        connects=count("connections.opened", "connections.failed"),
        timed_out=count("connections.failed.timed_out", "connections.failed.unreachable"),
        refused=count("connections.failed.refused"),
        closed=count("connections.closed"),
        reset=count("connections.closed.reset"),
        held_up=count("zero_windows"),
        held_up_back=count("reply_zero_windows"),
        datagrams=count("datagrams"),
        dropped=count("dropped_segments"),
        overflows=dropped("listener.overflows"),
        attempts=dropped("listener.attempts"),
        requests=count("requests"),
        failed=count("requests.failed"),
        request_p50_ns=p50,
        request_p99_ns=p99,
        queries=count("queries"),
        unresolved=count("queries.failed"),
    )


def _drops(pairs: Pairs, side: Side, rows: np.ndarray) -> list[DropCause]:
    """Of these rows together, the most frequent first."""
    packets: Counter[DropCause] = Counter()
    for causes in causes_of_pairs(side, rows, len(pairs)):
        for each in causes:
            packets[replace(each, packets=0)] += each.packets
    return [replace(each, packets=count) for each, count in packets.most_common()]


def _one(measures: Measures) -> Measures:
    """All rows as one."""
    return measures.summed(np.zeros(len(measures), np.int64), 1)


def _with_listeners(pairs: Pairs, rows: np.ndarray) -> np.ndarray:
    """All rows to the servers and ports of these."""
    keys = pairs.servers * (1 << 16) + pairs.ports
    found: np.ndarray = np.flatnonzero(np.isin(keys, keys[rows]))
    return found
