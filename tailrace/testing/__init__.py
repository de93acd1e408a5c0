"""Tests for plug-ins: what every sink and every enricher keeps to, and made-up batches to feed them.

It needs pytest. ``docs/plugins.md`` shows how to use it.
"""

from tailrace.testing.batches import make_batch
from tailrace.testing.deltas import make_deltas
from tailrace.testing.enrichers import EnricherContract
from tailrace.testing.flows import flows_of, make_flows
from tailrace.testing.sinks import SinkContract, Totals
from tailrace.testing.workloads import make_workloads

__all__ = [
    "EnricherContract",
    "SinkContract",
    "Totals",
    "flows_of",
    "make_batch",
    "make_deltas",
    "make_flows",
    "make_workloads",
]
