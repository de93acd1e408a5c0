"""What the rows of the last minutes count, by who calls whom for what: to explain trouble with."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.detect.edges import EdgeRows
from actors.detect.symptoms import SYMPTOMS
from actors.explain.leaves import Either, Leaves, dispersion_of, expected_by_edge
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
    """Leaves, and the edge and the key of each.

    :param either: places of both ends that one of them may be in.
    :param part: of all traffic, that these are.
    """

    leaves: Leaves
    edges: np.ndarray
    keys: np.ndarray
    either: Sequence[Either]
    part: float


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
        self._last: tuple[int, int, _Part] | None = None  # symptom, ticks, and what was counted
        self.keys = Keys()
        self.forgotten = 0

    def __len__(self) -> int:
        return sum(len(part.keys) for part in self._ticks)

    def measure(self, places: Sequence[int], of_requests: Iterable[int] = ()) -> None:
        """Other symptoms from now on.

        :param places: where each was so far; -1: it is new, and nothing is known of it.
        :param of_requests: as of the constructor.
        """
        before, self._width, self._last = self._width, len(places), None
        self._of_requests = _OF_REQUESTS.union(of_requests)
        bad = np.array(places, np.int64)
        reasons = np.arange(2 * before, 2 * before + len(FAILURES))
        columns = np.concatenate((bad, np.where(bad < 0, -1, bad + before), reasons))
        self._ticks = deque((_moved(part, columns) for part in self._ticks), self._ticks.maxlen)
        self._seconds = [_moved(part, columns) for part in self._seconds]

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
        self._last = None
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
        part = self._counted(symptom, ticks)
        rows, ends = self._related(self.keys.split(part.keys), np.isin(part.edges, np.array(ill, np.uint64)))
        if not len(rows):
            return None
        bad = part.counts[rows, 0].astype(np.float64)
        total = np.maximum(part.counts[rows, 1].astype(np.float64), bad)
        edges = part.edges[rows]
        normal = expected_by_edge(edges, bad, total, dict(zip(ill, expected, strict=True)))
        names, columns = self.keys.attributes(ends, requests=symptom in self._of_requests)
        either = _either_end(names, columns)
        codes = np.stack([column for column, _ in columns], axis=1)
        values = [texts for _, texts in columns]
        leaves = Leaves(names, values, codes, bad, total, normal, dispersion_of(bad, total, normal))
        part_of_all = float(total.sum() / max(part.counts[:, 1].sum(), 1.0))
        return EdgeLeaves(leaves, edges, part.keys[rows], either, part_of_all)

    def _counted(self, symptom: int, ticks: int) -> _Part:
        """Bad ones and all of a symptom in the last ticks; asked again in the same tick it is known."""
        if self._last is None or self._last[:2] != (symptom, ticks):
            columns = [symptom, self._width + symptom]
            parts = [part._replace(counts=part.counts[:, columns]) for part in list(self._ticks)[-ticks:]]
            summed = _summed(parts)
            rows = summed.counts[:, 1] > 0
            self._last = symptom, ticks, _Part(*(column[rows] for column in summed))
        return self._last[2]

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
        self._last = None

    def _related(self, ends: tuple[np.ndarray, ...], ill: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Those with a client or a server that is one of an ill edge, whatever its version and zone."""
        near = np.zeros(len(ill), np.bool_)
        for end in ends[:2]:
            who = self.keys.texts(end, "workload")[0]
            near |= np.isin(who, who[ill])
        return np.flatnonzero(near), [end[near] for end in ends]


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


def _moved(part: _Part, columns: np.ndarray) -> _Part:
    """With counts in another order; those of -1 are zero."""
    none = np.zeros((len(part.keys), 1), np.float32)
    return part._replace(counts=np.concatenate((part.counts, none), axis=1)[:, columns])


def _summed(parts: Sequence[_Part]) -> _Part:
    """One of several: counts of the same leaf are added up."""
    keys, first, same = np.unique(
        np.concatenate([part.keys for part in parts]), return_index=True, return_inverse=True
    )
    counts = np.concatenate([part.counts for part in parts])
    summed = np.stack([np.bincount(same, column, len(keys)) for column in counts.T], axis=1)
    edges = np.concatenate([part.edges for part in parts])[first]
    return _Part(keys, edges, summed.astype(np.float32))


def _either_end(names: Sequence[str], columns: list[tuple[np.ndarray, list[str]]]) -> list[Either]:
    """A machine, zone or region that fails is bad for clients and servers in it; codes of both ends become the same.

    :param columns: codes and values of each name; those of both ends are changed.
    """
    found = []
    for part in ("region", "zone", "node"):
        ends = [f"{side}.{part}" for side in ("client", "server")]
        if all(end in names for end in ends):
            first, second = map(names.index, ends)
            values = sorted({*columns[first][1], *columns[second][1]})
            for place in (first, second):
                codes, texts = columns[place]
                columns[place] = np.array([values.index(text) for text in texts])[codes], values
            found.append(Either(part, first, second))
    return found
