"""Made-up workload rows for a store: pairs that all have a row each second, as a busy cluster has them."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.workload import OTHER, WORKLOAD, Workload

#: A whole hour.
BEGIN: Final = 1_790_000_000 // 3600 * 3600


def named(number: int) -> Workload:
    """A workload of some namespace, zone and version."""
    return Workload(f"svc-{number}", "Deployment", f"ns-{number % 20}", f"z{number % 3}", f"v{number % 3}")


class PairSeconds:
    """The seconds of some pairs; the same for the same numbers.

    :param pairs: that each have a row each second.
    :param workloads: that they are between; few of them are called by most.
    """

    def __init__(self, pairs: int = 2000, workloads: int = 300) -> None:
        random = np.random.default_rng(7)
        self._random = random
        self._ends = [OTHER, *(named(number) for number in range(workloads))]
        drawn = np.stack(
            (
                random.integers(1, workloads + 1, 3 * pairs),
                random.zipf(1.6, 3 * pairs) % workloads + 1,
                random.choice([80, 443, 5432, 6379, 8080], 3 * pairs),
            )
        )
        self._client, self._server, self._port = random.permutation(np.unique(drawn, axis=1), axis=1)[
            :, :pairs
        ]
        self._bytes = np.exp(random.normal(9, 2, pairs))
        self._flows = np.maximum(1, np.exp(random.normal(1.2, 0.8, pairs)))
        self._opened = self._flows * random.choice([0, 0.1, 1], pairs, p=[0.5, 0.3, 0.2])
        self._rtt = np.exp(random.normal(13, 1.5, pairs))

    def batches(self, seconds: int, begin: int = BEGIN) -> Iterator[Batch]:
        """One for each second."""
        for place in range(seconds):
            made = self._second()
            yield Batch(WORKLOAD, "engine", "boot-1", place, begin + place, made.columns, made.tables)

    def _second(self) -> Batch:
        random, count = self._random, len(self._client)
        columns = WORKLOAD.empty(count)
        noise = np.exp(random.normal(0, 0.4, count))
        active = 1 + random.poisson(self._flows)
        opened = np.minimum(random.poisson(self._opened), active)
        failed = random.random(count) < 0.001
        columns["client.workload.index"][:], columns["server.workload.index"][:] = self._client, self._server
        columns["server.port"][:] = self._port
        columns["bytes"][:] = self._bytes * noise
        columns["reply_bytes"][:] = self._bytes * 3 * noise
        columns["sent_segments"][:] = self._bytes * noise / 700 + 2
        columns["retransmitted_segments"][:] = random.poisson(0.02, count)
        columns["connections.active"][:], columns["evidence.both"][:] = active, active
        columns["connections.opened"][:], columns["connections.closed"][:] = opened, np.roll(opened, 1)
        columns["connections.failed"][:], columns["connections.failed.refused"][:] = failed, failed
        histograms = self._histograms(columns, active, opened)
        tables = {"workloads": self._ends, "histograms": histograms}
        return Batch(WORKLOAD, "engine", "boot-1", 0, BEGIN, columns, tables)

    def _histograms(
        self, columns: dict[str, np.ndarray], active: np.ndarray, opened: np.ndarray
    ) -> Histograms:
        count, numbers, values = len(active), [], []
        for place, (measure, of) in enumerate((("rtt_ns", active), ("connect_latency_ns", opened))):
            rows = np.repeat(np.arange(count), of)
            drawn = (self._rtt[rows] * np.exp(self._random.normal(0, 0.06, len(rows)))).astype(np.uint64) + 1
            columns[f"{measure}.sum"][:] = np.bincount(rows, drawn, count)
            mine = np.arange(1, count + 1) + place * count
            columns[f"{measure}.index"][:] = np.where(of > 0, mine, 0)
            numbers.append(mine[rows])
            values.append(drawn)
        return Histograms.of(np.concatenate(numbers), np.concatenate(values), 2 * count + 1)
