"""Workloads as the actor sums them up: each flow of ``tailrace.testing.flows`` is a pair of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from actors.workloads.workloads import Workloads
from model.batch import Batch
from model.ledger import Ledger
from tailrace.testing.flows import make_flows


def summed_workloads(rows: int, *, columns: Mapping[str, object] | None = None, **settings: Any) -> Batch:
    """``rows`` pairs of one window, at most 65,536, in one batch."""
    ports = {"server.port": np.arange(rows)}
    flows = make_flows(rows, columns=ports | dict(columns or {}), **settings)
    return Workloads(Ledger(), pairs=1 << 16).summed([flows])
