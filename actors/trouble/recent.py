"""What the rows of the last minutes count, by who calls whom for what: to explain trouble with."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.detect.edges import EdgeRows
from actors.detect.symptoms import SYMPTOMS
from actors.explain.leaves import Leaves, dispersion_of, expected_by_edge
from actors.trouble.leaf_keys import Keys, Whats
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import FAILURES, WORKLOAD

#: Ticks that are kept, and leaves of all of them at most: about 100 bytes each.
TICKS: Final = 12
MOST: Final = 300_000
#: The symptom whose counts are those of endpoints: these know the route.
_FAILED_REQUESTS: Final = [symptom.name for symptom in SYMPTOMS].index("failed requests")
#: Symptoms of requests, by place.
_OF_REQUESTS: Final = frozenset(
    place for place, symptom in enumerate(SYMPTOMS) if symptom.name in ("failed requests", "gRPC errors")
)
#: A reason is told for so much of the failed connects.
_MOSTLY: Final = 0.8


class _Part(NamedTuple):
    """Leaves: client, server and what for in one number; shape (n,).

    ``counts`` are bad of each symptom, all of each, and failed connects by reason.
    """

    keys: np.ndarray
    edges: np.ndarray
    counts: np.ndarray


class EdgeLeaves(NamedTuple):
    """Leaves, and the edge of each."""

    leaves: Leaves
    edges: np.ndarray


class Recent:
    """A window of the last ticks.

    :param symptoms: how many there are.
    :param of_requests: places of those that are of requests, beside the detector's.
    :ivar keys: of the leaves.
    :ivar forgotten: leaves that were let go before their time, for want of room.
    """

    def __init__(
        self, symptoms: int, of_requests: Iterable[int] = (), ticks: int = TICKS, most: int = MOST
    ) -> None:
        self._width = symptoms
        self._of_requests = _OF_REQUESTS.union(of_requests)
        self._most = most
        self._ticks: deque[_Part] = deque(maxlen=ticks)
        self._seconds: list[_Part] = []
        self.keys = Keys()
        self.forgotten = 0

    def __len__(self) -> int:
        return sum(len(part.keys) for part in self._ticks)

    def add(self, batch: Batch, edges: np.ndarray, counts: np.ndarray) -> None:
        """Rows of a second.

        :param edges: of each row.
        :param counts: bad of each symptom, then all of each; shape (rows, 2 symptoms).
        """
        self._make_room()
        client, server = (batch.columns[f"{side}.workload.index"] for side in ("client", "server"))
        counts = with_reasons(batch, counts)
        if batch.kind is WORKLOAD:
            self._leave_requests(counts)
        self._take(self.keys.of(batch), edges, counts, (client != 0) | (server != 0))

    def add_counted(self, rows: EdgeRows, whats: Whats, counts: np.ndarray, *, requests: bool) -> None:
        """Rows of a tick that an engine counted.

        :param counts: as ``with_reasons`` gives them.
        :param requests: whether they are of endpoints: these know the route of failed requests.
        """
        self._make_room()
        keys = self.keys.numbered(rows.table, rows.client, rows.server, whats)
        if not requests:
            self._leave_requests(counts)
        self._take(keys, rows.edges, counts, (rows.client != 0) | (rows.server != 0))

    def _leave_requests(self, counts: np.ndarray) -> None:
        """Failed requests of workloads, which are those of endpoints."""
        counts[:, [_FAILED_REQUESTS, self._width + _FAILED_REQUESTS]] = 0

    def _take(self, keys: np.ndarray, edges: np.ndarray, counts: np.ndarray, named: np.ndarray) -> None:
        said = named & counts[:, self._width : 2 * self._width].any(axis=1)
        self._seconds.append(_summed([_Part(keys[said], edges[said], counts[said].astype(np.float32))]))

    def end_tick(self) -> None:
        """The seconds since the last one are a tick."""
        if self._seconds:
            self._ticks.append(_summed(self._seconds))
            self._seconds = []
        while len(self) > self._most and len(self._ticks) > 1:
            self.forgotten += len(self._ticks.popleft().keys)

    def leaves(
        self, symptom: int, ill: Sequence[int], expected: Sequence[float], ticks: int
    ) -> EdgeLeaves | None:
        """Traffic of ill edges, and what else their clients and servers do; None: nothing is known of it.

        :param symptom: its place among them.
        :param ill: edges, and ``expected``: the share that is normal for each. Others are as they always are.
        :param ticks: how many of the last.
        """
        if not self._ticks:
            return None
        part = _summed(list(self._ticks)[-ticks:])
        rows = np.flatnonzero(part.counts[:, self._width + symptom] > 0)
        rows, ends = self._related(
            rows, self.keys.split(part.keys[rows]), np.isin(part.edges[rows], np.array(ill, np.uint64))
        )
        if not len(rows):
            return None
        bad = part.counts[rows, symptom].astype(np.float64)
        total = np.maximum(part.counts[rows, self._width + symptom].astype(np.float64), bad)
        edges = part.edges[rows]
        normal = expected_by_edge(edges, bad, total, dict(zip(ill, expected, strict=True)))
        names, columns = self.keys.attributes(ends, requests=symptom in self._of_requests)
        codes = np.stack([column for column, _ in columns], axis=1)
        values = [texts for _, texts in columns]
        leaves = Leaves(names, values, codes, bad, total, normal, dispersion_of(bad, total, normal))
        return EdgeLeaves(leaves, edges)

    def edges_on(self, node: str) -> np.ndarray:
        """Edges of which an end was on a machine; uint64."""
        found = [part.edges[self.keys.on_node(part.keys, node)] for part in self._ticks]
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))

    def reasons(self, ids: Sequence[int], ticks: int) -> dict[int, str]:
        """Why connects of these edges failed, where it is one reason: ``refused``.

        :param ticks: how many of the last.
        """
        parts = [
            (part.edges[rows], part.counts[rows])
            for part in list(self._ticks)[-ticks:]
            for rows in [np.isin(part.edges, np.array(ids, np.uint64))]
        ]
        if not parts:
            return {}
        edges, same = np.unique(np.concatenate([edges for edges, _ in parts]), return_inverse=True)
        counts = np.concatenate([counts for _, counts in parts]).T
        failed = np.bincount(same, counts[0], len(edges))
        told: dict[int, str] = {}
        for reason, column in zip(FAILURES, counts[2 * self._width :], strict=True):
            mostly = np.bincount(same, column, len(edges)) >= _MOSTLY * np.maximum(failed, 1)
            told |= dict.fromkeys(edges[mostly].tolist(), reason.rpartition(".")[2])
        return told

    def _make_room(self) -> None:
        if self.keys.full:
            self._clear()

    def _clear(self) -> None:
        self.forgotten += len(self)
        self.keys = Keys()
        self._ticks.clear()
        self._seconds.clear()

    def _related(
        self, rows: np.ndarray, ends: tuple[np.ndarray, ...], ill: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Those with a client or a server that is one of an ill edge, whatever its version and zone."""
        near = np.zeros(len(rows), np.bool_)
        for end in ends[:2]:
            who = self.keys.texts(end, "workload")[0]
            near |= np.isin(who, who[ill])
        return rows[near], [end[near] for end in ends]


def with_reasons(batch: Batch, counts: np.ndarray) -> np.ndarray:
    """Counts of rows with reasons of failed connects; failed requests of endpoints are theirs.

    :param counts: bad of each symptom and rule, then all of each; shape (rows, 2 symptoms).
    :return: with one more column for each of ``FAILURES``.
    """
    width, columns = counts.shape[1] // 2, batch.columns
    reasons = np.zeros((len(batch), len(FAILURES)))
    counts = counts.copy()
    if batch.kind is WORKLOAD:
        for place, name in enumerate(FAILURES):
            reasons[:, place] = columns[name]
    elif batch.kind is ENDPOINT:
        once = columns["via.index"] == 0
        for place, name in ((0, "requests.failed"), (width, "requests")):
            counts[:, place + _FAILED_REQUESTS] = np.where(once, columns[name], 0)
    return np.concatenate((counts, reasons), axis=1)


def _summed(parts: Sequence[_Part]) -> _Part:
    """One of several: counts of the same leaf are added up."""
    keys, first, same = np.unique(
        np.concatenate([part.keys for part in parts]), return_index=True, return_inverse=True
    )
    counts = np.concatenate([part.counts for part in parts])
    summed = np.stack([np.bincount(same, column, len(keys)) for column in counts.T], axis=1)
    edges = np.concatenate([part.edges for part in parts])[first]
    return _Part(keys, edges, summed.astype(np.float32))
