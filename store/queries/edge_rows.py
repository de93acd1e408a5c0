"""Edges as answers have them, from the sums of both windows."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from store.measures import Measures
from store.queries.answers import Change, DropCause, Edge, Evidence, Quantiles, Status
from store.queries.change import STATES, Changes, change_text
from store.queries.dropped import causes_of_pairs, dropped_text, shown
from store.queries.pairs import Pairs
from store.queries.requested import took
from store.queries.status import STATUSES, p99_text, reasons
from store.queries.when import When

TRANSPORTS: Final = {6: "tcp", 17: "udp"}
_REASON_PREFIX: Final = "connections.failed."
#: Changes of the p99 that are worth a word: it is known within 4.5 % on each side.
_SLOWER: Final = 1.5
#: What a change has of both windows.
_PAIRS: Final = (
    *("bytes", "opened", "failed", "retransmits", "p99"),
    *("requests", "requests_failed", "request_p99"),
)
_BOTH, _CLIENT, _SERVER = "evidence.both", "evidence.client", "evidence.server"


def edges_of(
    pairs: Pairs, rows: np.ndarray, when: When, changes: Changes | None, requests: Measures | None = None
) -> list[Edge]:
    """The edges of some rows of ``pairs``, in this order.

    :param changes: of all rows; None if nothing is compared.
    :param requests: of these rows in the window, if they were read already.
    """
    now = pairs.now.measures(rows, len(pairs))
    before = pairs.before.measures(rows, len(pairs)) if pairs.before else None
    told_now = _Told(now, pairs.now.requests(rows, len(pairs)) if requests is None else requests)
    told_before = (
        _Told(before, pairs.before.requests(rows, len(pairs)))
        if pairs.before is not None and before is not None
        else None
    )
    levels = pairs.sums_now.levels[rows].tolist()
    there = pairs.sums_now.there[rows].tolist()
    drops = causes_of_pairs(pairs.now, rows, len(pairs))
    edges = []
    for place, row in enumerate(rows.tolist()):
        counts = told_now.counts(place)
        change = None
        if told_before is not None and changes is not None:
            change = _change(changes, row, counts, told_before.counts(place), when)
        seen = told_now if there[place] or told_before is None else told_before
        edges.append(
            _edge(
                pairs,
                row,
                place,
                (told_now, seen),
                drops[place],
                STATUSES[levels[place]] if there[place] else "silent",
                change,
                when,
            )
        )
    return edges


class _Told:
    """Sums of rows as lists: a cell of a list is read faster than one of an array.

    :param requests: of the same rows; None: they had none.
    """

    def __init__(self, measures: Measures, requests: Measures | None) -> None:
        self._columns = {name: column.tolist() for name, column in measures.columns.items()}
        self._quantiles = {
            (name, share): measures.quantiles(name, share).astype(np.int64).tolist()
            for name in ("rtt_ns", "connect_latency_ns")
            for share in (0.5, 0.99)
        }
        self._request_ns = took(requests) if requests is not None else [None] * len(measures)

    def request_ns(self, place: int) -> Quantiles | None:
        """How long requests took; None if nothing was measured."""
        return self._request_ns[place]

    def __call__(self, name: str, place: int) -> int:
        return int(self._columns[name][place]) if name in self._columns else 0

    def quantile(self, measure: str, share: float, place: int) -> int:
        """0 if nothing was measured."""
        return int(self._quantiles[measure, share][place])

    def quantiles(self, measure: str, place: int) -> Quantiles | None:
        """None if nothing was measured."""
        if not self(f"{measure}.index", place):
            return None
        return Quantiles(self.quantile(measure, 0.5, place), self.quantile(measure, 0.99, place))

    def failures(self, place: int) -> dict[str, int]:
        """By reason; those of others as ``other``."""
        found = {
            name.removeprefix(_REASON_PREFIX): count
            for name in self._columns
            if name.startswith(_REASON_PREFIX) and (count := self(name, place))
        }
        rest = self("connections.failed", place) - sum(found.values())
        return found | ({"other": rest} if rest > 0 else {})

    def counts(self, place: int) -> dict[str, int]:
        """What changes are told of."""
        failed, opened = self("connections.failed", place), self("connections.opened", place)
        return {
            "failed": failed,
            "opened": opened,
            "attempts": failed + opened,
            "bytes": self("bytes", place),
            "traffic": self("bytes", place) + self("reply_bytes", place),
            "retransmits": self("retransmitted_segments", place),
            "sent": self("sent_segments", place),
            "p99": self.quantile("connect_latency_ns", 0.99, place),
            "requests": self("requests", place),
            "requests_failed": self("requests.failed", place),
            "request_p99": asked.p99 if (asked := self._request_ns[place]) else 0,
        }

    def evidence(self, place: int) -> Evidence:
        """Shares of the flows."""
        total = sum(self(name, place) for name in self._columns if name.startswith("evidence."))
        shares = [round(self(name, place) / total, 3) if total else 0.0 for name in (_BOTH, _CLIENT, _SERVER)]
        return Evidence(*shares)


def _change(changes: Changes, row: int, now: dict[str, int], before: dict[str, int], when: When) -> Change:
    assert when.against is not None
    state = STATES[changes.states[row]]
    seconds = (when.known_seconds(when.window), when.known_seconds(when.against))
    what = "" if state == "same" else state
    if state == "changed":
        what = change_text(int(changes.metrics[row]), now, before, seconds)
    for name, of in (("p99", "to connect"), ("request_p99", "of requests")):
        slower = before[name] and now[name] and not 1 / _SLOWER < now[name] / before[name] < _SLOWER
        if slower:
            what = "; ".join(filter(None, (what, p99_text(of, before[name], now[name]))))
    sides: dict[str, tuple[int, int]] = {name: (before[name], now[name]) for name in _PAIRS}
    return Change(state=state, score=round(float(changes.scores[row]), 3), what=what, **sides)


def _reasons(now: _Told, place: int, drops: list[DropCause], status: Status) -> list[str]:
    """Why an edge has its status; drops of one that is well are not worth a word."""
    counts = now.counts(place)
    return reasons(
        counts["failed"],
        counts["attempts"],
        counts["retransmits"],
        counts["sent"],
        now("connections.closed.timed_out", place),
        counts["requests_failed"],
        counts["requests"],
        now.failures(place),
        dropped_text(drops, now("dropped_segments", place)) if status != "ok" else "",
        (now("queries.failed", place), now("queries", place)),
    )


def _edge(
    pairs: Pairs,
    row: int,
    place: int,
    told: Sequence[_Told],
    drops: list[DropCause],
    status: Status,
    change: Change | None,
    when: When,
) -> Edge:
    """:param told: the sums now; those that say when it was there."""
    now, there = told
    counts = now.counts(place)
    ids = pairs.groups.ids
    return Edge(
        id=pairs.edge_id(row),
        from_id=int(ids[pairs.clients[row]]),
        to_id=int(ids[pairs.servers[row]]),
        port=int(pairs.ports[row]),
        transport=TRANSPORTS.get(int(pairs.transports[row]), str(pairs.transports[row])),
        status=status,
        reasons=_reasons(now, place, drops, status),
        bytes=counts["bytes"],
        reply_bytes=now("reply_bytes", place),
        opened=counts["opened"],
        closed=now("connections.closed", place),
        failed=counts["failed"],
        failures=now.failures(place),
        retransmits=counts["retransmits"],
        sent=counts["sent"],
        datagrams=now("datagrams", place),
        datagrams_lost=now("datagrams.lost", place),
        datagrams_dropped=now("datagrams.dropped", place),
        dropped=now("dropped_segments", place),
        drops=shown(drops),
        broken=now("connections.closed.timed_out", place) + now("connections.closed.reset", place),
        active=now("connections.active", place),
        connect_ns=now.quantiles("connect_latency_ns", place),
        rtt_ns=now.quantiles("rtt_ns", place),
        requests=counts["requests"],
        requests_failed=counts["requests_failed"],
        request_ns=now.request_ns(place),
        queries=now("queries", place),
        queries_failed=now("queries.failed", place),
        evidence=now.evidence(place),
        change=change,
        first_s=when.second(there("first_s", place)),
        last_s=when.second(there("last_s", place)),
    )
