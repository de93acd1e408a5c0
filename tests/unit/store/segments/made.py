"""Made-up seconds of a few edges, and their sums row by row: the truth that a store is held to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.workload import MEASURES, OTHER, WORKLOAD, Workload
from store.measures import SUMS, Measures

#: A whole day, so that blocks of every length begin here.
BEGIN: Final = 1_790_000_000 // 86_400 * 86_400
ENDS: Final = [
    OTHER,
    Workload("cart", "Deployment", "shop", "a", "1.2"),
    Workload("db", "systemd"),
    Workload("x", "process"),
]
#: Who, on which port.
Edge = tuple[Workload, Workload, int]


def second(window: int, rows: Iterable[Mapping[str, int]], seq: int, boot: str = "boot-1") -> Batch:
    """A batch; a row names columns, ``client`` and ``server`` (places in ``ENDS``), and ``rtt`` of one flow."""
    rows = list(rows)
    columns = WORKLOAD.empty(len(rows))
    short = {"client": "client.workload.index", "server": "server.workload.index", "port": "server.port"}
    for place, row in enumerate(rows):
        for name, value in row.items():
            if name != "rtt":
                columns[short.get(name, name)][place] = value
    rtts = np.array([row.get("rtt", 0) for row in rows], np.uint64)
    columns["rtt_ns.sum"][:] = rtts
    columns["rtt_ns.index"][:] = np.where(rtts != 0, np.arange(1, len(rows) + 1), 0)
    histograms = Histograms.of(np.arange(1, len(rows) + 1), rtts, len(rows) + 1)
    tables = {"workloads": ENDS, "histograms": histograms}
    return Batch(WORKLOAD, "engine", boot, seq, window, columns, tables)


@dataclass
class Truth:
    """Sums by second and edge, row by row."""

    sums: dict[tuple[int, Edge], Counter[str]] = field(default_factory=dict)
    histograms: dict[tuple[int, Edge, str], Counter[int]] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        table, columns = batch.tables["workloads"], batch.columns
        for row in range(len(batch)):
            ends = (table[columns[f"{side}.workload.index"][row]] for side in ("client", "server"))
            key = (
                batch.window - int(columns["window.late_s"][row]),
                (*ends, int(columns["server.port"][row])),
            )
            self.sums.setdefault(key, Counter()).update({name: int(columns[name][row]) for name in SUMS})
            for measure in MEASURES:
                found = batch.tables["histograms"][int(columns[f"{measure}.index"][row])].counts
                self.histograms.setdefault((*key, measure), Counter()).update(found)

    def of(self, from_s: int, to_s: int) -> dict[Edge, Counter[str]]:
        """The sums of a window."""
        found: dict[Edge, Counter[str]] = {}
        for (at, edge), sums in self.sums.items():
            if from_s <= at < to_s:
                found.setdefault(edge, Counter()).update(sums)
        return found

    def histogram(self, from_s: int, to_s: int, edge: Edge, measure: str) -> dict[int, int]:
        """The histogram of an edge in a window."""
        found: Counter[int] = Counter()
        for (at, each, name), counts in self.histograms.items():
            if from_s <= at < to_s and (each, name) == (edge, measure):
                found.update(counts)
        return dict(found)

    def seconds(self, from_s: int, to_s: int, edge: Edge) -> tuple[int, int]:
        """The first and last second of an edge in a window."""
        held = [at for at, each in self.sums if each == edge and from_s <= at < to_s]
        return min(held), max(held)


def sums_of(measures: Measures, row: int) -> Counter[str]:
    """A row of an answer."""
    return Counter({name: int(measures[name][row]) for name in SUMS})
