"""Seconds as the console sums them up, for tests of what it shows."""

from collections.abc import Mapping
from typing import Any

from model.batch import Batch
from sinks.console.summary import Sort, WindowSummary
from tailrace.testing.batches import make_ledger


def second_of(
    *batches: Batch, limit: int = 20, sort: Sort = "bytes", ledger: Mapping[str, Any] | None = None
) -> WindowSummary:
    """All chunks of a second of a node with 42 open sockets.

    :param ledger: what the node lost.
    """
    second = WindowSummary(batches[0], limit, sort, make_ledger(ledger or {}))
    for batch in batches:
        second.add(batch)
    return second
