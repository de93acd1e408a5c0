"""What the rows of the last minutes count, by who calls whom, versions, zones and port: to explain trouble with."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.explain.leaves import Leaves, dispersion_of, expected_by_edge
from model.batch import Batch
from model.kinds.workload import Workload

#: Ticks that are kept, and leaves of all of them at most: about 80 bytes each.
TICKS: Final = 12
MOST: Final = 300_000
#: Workloads that are numbered at most; a key has 24 bits for each.
_WORKLOADS: Final = 1 << 20
#: Attributes of a leaf, in the order of its codes.
ATTRIBUTES: Final = (
    *(f"{side}.{part}" for side in ("client", "server") for part in ("workload", "version", "zone")),
    "server.port",
)

Who = tuple[str, ...]


class _Part(NamedTuple):
    """Leaves: client, server and port in one number; shape (n,), and what they count; shape (n, 2 symptoms)."""

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
    :ivar forgotten: leaves that were let go before their time, for want of room.
    """

    def __init__(self, symptoms: int, ticks: int = TICKS, most: int = MOST) -> None:
        self._width = symptoms
        self._most = most
        self._ticks: deque[_Part] = deque(maxlen=ticks)
        self._seconds: list[_Part] = []
        self._numbers: dict[Workload, int] = {}
        self._known: list[Workload] = []  # by number
        self.forgotten = 0

    def __len__(self) -> int:
        return sum(len(part.keys) for part in self._ticks)

    def add(self, batch: Batch, edges: np.ndarray, counts: np.ndarray) -> None:
        """Rows of a second.

        :param edges: of each row.
        :param counts: bad of each symptom, then all of each; shape (rows, 2 symptoms).
        """
        if len(self._numbers) > _WORKLOADS:
            self._clear()
        table = batch.tables["workloads"]
        numbers = np.array([self._number(each) for each in table], np.int64)
        client, server = (batch.columns[f"{side}.workload.index"] for side in ("client", "server"))
        said = ((client != 0) | (server != 0)) & counts[:, self._width :].any(axis=1)
        keys = (
            (numbers[client] << 40) | (numbers[server] << 16) | batch.columns["server.port"].astype(np.int64)
        )
        self._seconds.append(_summed([_Part(keys[said], edges[said], counts[said].astype(np.float32))]))

    def end_tick(self) -> None:
        """The seconds since the last one are a tick."""
        if self._seconds:
            self._ticks.append(_summed(self._seconds))
            self._seconds = []
        while len(self) > self._most:
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
            rows, self._ends(part.keys[rows]), np.isin(part.edges[rows], np.array(ill, np.uint64))
        )
        if not len(rows):
            return None
        bad = part.counts[rows, symptom].astype(np.float64)
        total = np.maximum(part.counts[rows, self._width + symptom].astype(np.float64), bad)
        edges = part.edges[rows]
        normal = expected_by_edge(edges, bad, total, dict(zip(ill, expected, strict=True)))
        columns = [self._texts(ends[place], field) for place in (0, 1) for field in range(3)]
        ports = np.unique(ends[2])
        columns.append(_coded([str(port) for port in ports.tolist()], ports, ends[2]))
        codes = np.stack([column for column, _ in columns], axis=1)
        values = [names for _, names in columns]
        leaves = Leaves(ATTRIBUTES, values, codes, bad, total, normal, dispersion_of(bad, total, normal))
        return EdgeLeaves(leaves, edges)

    def _clear(self) -> None:
        self.forgotten += len(self)
        self._numbers.clear()
        self._known.clear()
        self._ticks.clear()
        self._seconds.clear()

    def _number(self, workload: Workload) -> int:
        number = self._numbers.setdefault(workload, len(self._known))
        if number == len(self._known):
            self._known.append(workload)
        return number

    def _ends(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of clients and servers, and ports."""
        return keys >> 40, (keys >> 16) & 0xFFFFFF, keys & 0xFFFF

    def _related(
        self, rows: np.ndarray, ends: tuple[np.ndarray, ...], ill: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Those with a client or a server that is one of an ill edge, whatever its version and zone."""
        near = np.zeros(len(rows), np.bool_)
        for end in ends[:2]:
            who = self._texts(end, 0)[0]
            near |= np.isin(who, who[ill])
        return rows[near], [end[near] for end in ends]

    def _texts(self, numbers: np.ndarray, field: int) -> tuple[np.ndarray, list[str]]:
        """Codes and values of an attribute: 0 who it is, 1 the version, 2 the zone."""
        different = np.unique(numbers)
        texts = [_text(self._known[number], field) for number in different.tolist()]
        return _coded(texts, different, numbers)


def name_of(who: Who) -> str:
    """``shop/checkout`` of kind, namespace and name."""
    _, namespace, name = who
    return f"{namespace}/{name}" if namespace else name or "other"


def _text(workload: Workload, field: int) -> str:
    if field == 0:
        return name_of((workload.kind, workload.namespace, workload.name))
    return (workload.version if field == 1 else workload.zone) or "unknown"


def _coded(texts: list[str], different: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Codes of ``numbers`` among the values that ``texts`` says for the ``different`` ones, ascending."""
    values = sorted(set(texts))
    places = {text: place for place, text in enumerate(values)}
    codes = np.array([places[text] for text in texts], np.int64)
    return codes[np.searchsorted(different, numbers)], values


def _summed(parts: Sequence[_Part]) -> _Part:
    """One of several: counts of the same leaf are added up."""
    keys, first, same = np.unique(
        np.concatenate([part.keys for part in parts]), return_index=True, return_inverse=True
    )
    counts = np.concatenate([part.counts for part in parts])
    summed = np.stack([np.bincount(same, column, len(keys)) for column in counts.T], axis=1)
    edges = np.concatenate([part.edges for part in parts])[first]
    return _Part(keys, edges, summed.astype(np.float32))
