"""What ``top`` shows: of each node the newest whole second, and the failures of the last minutes."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from model.batch import Batch
from model.filter.filter import Filter
from model.filter.view import BatchView, Mask, RowsView, View
from model.kind import HEAD, Kind
from model.kinds.listener import LISTENER
from model.public import PublicRow

#: Nodes shown at most; those that were silent for longest leave first.
NODES: Final = 256
#: Rows of one second of a node kept at most; the others are counted.
ROWS: Final = 200_000
#: Listeners kept; new ones beyond are not shown.
LISTENERS: Final = 20_000
#: Failures kept, newest last; the oldest leave.
FAILURES: Final = 1000
#: Seconds after which a node that says nothing is shown no more.
SILENT_SECONDS: Final = 10

Sort = Literal["bytes", "tx", "rx", "retransmits", "rtt", "failed", "opened"]
SORTS: Final[tuple[Sort, ...]] = ("bytes", "tx", "rx", "retransmits", "rtt", "failed", "opened")
_FIGURES: Final = {
    "tx": "tx_bytes",
    "rx": "rx_bytes",
    "retransmits": "retransmitted_segments",
    "rtt": "rtt_ns",
}


@dataclass(frozen=True)
class Part:
    """Some rows of a second of a node.

    :param publication: what the parts of one second have in common.
    :param taken: the rows at some places, as readers of JSON lines have them.
    :param last: whether no part of this second follows.
    """

    kind: Kind
    node: str
    window: int
    publication: tuple[Any, ...]
    view: View
    taken: Callable[[np.ndarray], list[PublicRow]]
    last: bool = False


def batch_part(batch: Batch) -> Part:
    """A batch, as sinks get it."""

    def taken(places: np.ndarray) -> list[PublicRow]:
        rows = batch.take(places).rows()
        head = batch.kind.name, batch.node, batch.boot, batch.seq, batch.window
        return [PublicRow(*head, {name: row[name] for name in row if name not in HEAD}) for row in rows]

    publication = (batch.boot, batch.window, batch.seq - batch.chunk)
    return Part(batch.kind, batch.node, batch.window, publication, BatchView(batch), taken, batch.last)


def rows_parts(kind: Kind, rows: Iterable[PublicRow]) -> list[Part]:
    """Rows that were published, which do not say which ones are the last of their second."""
    found: dict[tuple[str, int], list[PublicRow]] = {}
    for row in rows:
        found.setdefault((row.node, row.window), []).append(row)
    return [
        Part(kind, node, window, (window,), RowsView(kind, some), _taken(some))
        for (node, window), some in found.items()
    ]


def _taken(rows: Sequence[PublicRow]) -> Callable[[np.ndarray], list[PublicRow]]:
    return lambda places: [rows[place] for place in places.tolist()]


@dataclass
class Second:
    """One second of one node."""

    window: int
    publication: tuple[Any, ...]
    parts: list[Part] = field(default_factory=list)
    rows: int = 0
    left_out: int = 0

    def add(self, part: Part) -> None:
        """Takes a part, as long as there is room."""
        if self.rows + len(part.view) > ROWS:
            self.left_out += len(part.view)
            return
        self.parts.append(part)
        self.rows += len(part.view)


@dataclass
class Selection:
    """What matches, the first ones as rows.

    :param matched: how many rows match, of ``rows``.
    :param window: the newest second among them; 0 if there is none.
    :param tx_bytes: of all that match, from clients to servers.
    """

    top: list[PublicRow] = field(default_factory=list)
    rows: int = 0
    matched: int = 0
    nodes: int = 0
    window: int = 0
    left_out: int = 0
    tx_bytes: int = 0
    rx_bytes: int = 0
    retransmits: int = 0
    opened: int = 0
    failed: int = 0


class Board:
    """Keeps what is shown. Frozen, it shows what it had, and goes on taking what comes."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = tuple(kinds)
        self.frozen = False
        self._growing: dict[tuple[str, str], Second] = {}
        self._whole: dict[tuple[str, str], Second] = {}
        self._failures: deque[PublicRow] = deque(maxlen=FAILURES)
        self._listeners: dict[tuple[str, str], PublicRow] = {}  # by node and id, as their last rows say
        self._shown: tuple[dict[tuple[str, str], Second], list[PublicRow]] = ({}, [])
        self._shown_listeners: list[PublicRow] = []

    def add(self, part: Part) -> None:
        """Takes rows; a second is whole with its last part, or when the next one begins."""
        key = part.kind.name, part.node
        second = self._growing.pop(key, None)
        if second and second.publication != part.publication:
            if part.window < second.window and not part.last:
                self._growing[key] = second  # a straggler of a second that is over
                return
            self._complete(key, second)
            second = None
        second = second or Second(part.window, part.publication)
        second.add(part)
        if part.last:
            self._complete(key, second)
        else:
            self._growing[key] = second

    def freeze(self) -> bool:
        """From now on the same is shown, or, again, what comes. Whether it is frozen now."""
        if not self.frozen:
            self._shown = dict(self._whole), list(self._failures)
            self._shown_listeners = list(self._listeners.values())
        self.frozen = not self.frozen
        return self.frozen

    def select(self, kind: Kind, wanted: Filter, sort: Sort, limit: int) -> Selection:
        """The rows of the newest second that match, those with the largest figures first; of listeners all."""
        mask, found = wanted.of(kind), Selection()
        if kind is LISTENER:
            return self._standing(mask, limit)
        best: list[tuple[int, PublicRow]] = []
        for second in self._seconds(kind):
            found.nodes += 1
            found.rows += second.rows
            found.left_out += second.left_out
            found.window = max(found.window, second.window)
            for part in second.parts:
                best += _best(part, mask(part.view), sort, limit, found)
        found.top = [row for _, row in sorted(best, key=lambda each: -each[0])[:limit]]
        return found

    def failures(self, kind: Kind, wanted: Filter, limit: int) -> Selection:
        """The failures of the last minutes that match, the newest first."""
        rows = self._shown[1] if self.frozen else list(self._failures)
        found = Selection(rows=len(rows), nodes=len({row.node for row in rows}))
        places = np.flatnonzero(wanted.of(kind)(RowsView(kind, rows))) if rows else np.zeros(0, np.int64)
        found.matched = found.failed = len(places)
        found.top = [rows[place] for place in places[::-1][:limit].tolist()]
        found.window = rows[-1].window if rows else 0
        return found

    def _standing(self, mask: Callable[[View], Mask], limit: int) -> Selection:
        """Listeners: a row comes when something has changed, and what it says holds until the next one."""
        rows = self._shown_listeners if self.frozen else list(self._listeners.values())
        found = Selection(rows=len(rows), nodes=len({row.node for row in rows}))
        if rows:
            part = Part(LISTENER, "", 0, (), RowsView(LISTENER, rows), _taken(rows))
            found.top = [row for _, row in _best(part, mask(part.view), "bytes", limit, found)]
            found.window = max(row.window for row in rows)
        return found

    def _listen(self, rows: Iterable[PublicRow]) -> None:
        for row in rows:
            key = row.node, str(row.row.get("listener.id"))
            known = self._listeners.pop(key, None)
            if not row.row.get("listener.ended") and (known or len(self._listeners) < LISTENERS):
                self._listeners[key] = row

    def _seconds(self, kind: Kind) -> list[Second]:
        """Of nodes that are not silent."""
        whole = self._shown[0] if self.frozen else self._whole
        own = [second for (name, _), second in whole.items() if name == kind.name]
        newest = max((second.window for second in own), default=0)
        return [second for second in own if second.window > newest - SILENT_SECONDS]

    def _complete(self, key: tuple[str, str], second: Second) -> None:
        self._whole.pop(key, None)
        self._whole[key] = second
        if len(self._whole) > NODES * len(self.kinds):
            self._whole.pop(next(iter(self._whole)))
        for part in second.parts:
            if part.kind is LISTENER:
                self._listen(part.taken(np.arange(len(part.view))))
            elif part.kind is self.kinds[0]:
                self._failures.extend(_failed(part))


def _failed(part: Part) -> list[PublicRow]:
    assert part.kind.traffic is not None
    places = np.flatnonzero(part.kind.traffic.lives(part.view.columns, "failed"))
    return part.taken(places[-FAILURES:])


def _best(part: Part, mask: Mask, sort: Sort, limit: int, found: Selection) -> list[tuple[int, PublicRow]]:
    """The best rows of a part with their figures; adds to the sums of all that match."""
    places = np.flatnonzero(mask)
    if not len(places):
        return []
    view = part.view.taken(places)
    found.matched += len(places)
    score = (_moved if part.kind.figures else _ranked)(part.kind, view, sort, found)
    order = np.arange(len(score))
    if len(score) > limit:
        order = np.argpartition(-score, limit)[:limit]
    order = order[np.argsort(-score[order], kind="stable")]
    return list(zip(score[order].tolist(), part.taken(places[order]), strict=True))


def _ranked(kind: Kind, view: View, sort: Sort, found: Selection) -> np.ndarray:
    """What rows in which nothing moves are ordered by: how many there were, or how many failed."""
    counts = np.asarray(view.columns[kind.rank], np.int64)
    failed = (
        np.asarray(view.columns[name], np.int64) if (name := f"{kind.rank}.failed") in kind.types else None
    )
    found.opened += int(counts.sum())
    found.failed += 0 if failed is None else int(failed.sum())
    if kind is LISTENER:  # those that drop nothing by how full they are
        limits = np.maximum(1, np.asarray(view.columns["listener.limit"], np.int64))
        return (counts << 20) + (np.asarray(view.columns["listener.queue"], np.int64) << 10) // limits
    return failed if failed is not None and sort == "failed" else counts


def _moved(kind: Kind, view: View, sort: Sort, found: Selection) -> np.ndarray:
    """What rows of traffic are ordered by."""
    traffic = kind.figures
    assert traffic is not None
    moved, failed = view.moved(), traffic.lives(view.columns, "failed")
    found.tx_bytes += int(moved.tx_bytes.sum())
    found.rx_bytes += int(moved.rx_bytes.sum())
    found.retransmits += int(moved.retransmitted_segments.sum())
    found.opened += int(traffic.lives(view.columns, "opened").sum())
    found.failed += int(failed.sum())
    if sort == "bytes" and kind.rank:
        return np.asarray(view.columns[kind.rank], np.int64)
    if sort == "bytes":
        return np.add(moved.tx_bytes, moved.rx_bytes, dtype=np.int64)
    if sort in _FIGURES:
        return np.asarray(getattr(moved, _FIGURES[sort]), np.int64)
    return np.asarray(traffic.lives(view.columns, sort), np.int64)
