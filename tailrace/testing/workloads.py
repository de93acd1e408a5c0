"""Made-up workloads: who talks to whom, with histograms; the same for the same seed."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import Histograms
from model.kinds.workload import EVIDENCE, OTHER, WORKLOAD, Workload
from tailrace.testing.deltas import WINDOW

#: The first stands for all that found no room.
ENDS: Final = [
    OTHER,
    Workload("cart", "Deployment", "shop", "eu-1a", "1.2"),
    Workload("postgres", "StatefulSet", "shop", "eu-1b", "15"),
    Workload("nginx.service", "systemd"),
    Workload("curl", "process"),
    Workload("10.0.7.7", "address"),
]
#: Values in each histogram.
_VALUES: Final = 4


def make_workloads(
    rows: int,
    *,
    seed: int = 0,
    window: int = WINDOW,
    node: str = "node-a",
    boot: str = "boot-1",
    seq: int = 0,
    columns: Mapping[str, object] | None = None,
    ends: list[Workload] | None = None,
) -> Batch:
    """``rows`` pairs of one window.

    :param columns: values, one for all or one per row, that replace those of a column.
    :param ends: the workloads; the first is ``OTHER``.
    """
    random, table = np.random.default_rng(seed), ends or ENDS
    made = WORKLOAD.empty(rows)
    for side in ("client", "server"):
        made[f"{side}.workload.index"][:] = random.integers(1, len(table), rows)
    made["server.port"][:] = random.integers(1, 65536, rows)
    for name in ("bytes", "reply_bytes"):
        made[name][:] = (random.pareto(1.2, rows) * 3000).astype("<u8")
    for life in ("active", "opened", "closed", "failed"):
        made[f"connections.{life}"][:] = random.integers(0, 5, rows)
    for name in EVIDENCE:
        made[name][:] = random.integers(0, 3, rows)
    values = random.integers(1000, 10**9, (rows, _VALUES))
    numbers = np.arange(1, rows + 1)
    made["rtt_ns.index"][:] = numbers
    made["rtt_ns.sum"][:] = values.sum(axis=1)
    histograms = Histograms.of(np.repeat(numbers, _VALUES), values.reshape(-1), rows + 1)
    for name, value in (columns or {}).items():
        made[name][:] = np.asarray(value, made[name].dtype)
    tables = {"workloads": table, "histograms": histograms}
    return Batch(WORKLOAD, node, boot, seq, window, made, tables)
