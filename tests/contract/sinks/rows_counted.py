"""What a reader of rows counts."""

from collections.abc import Iterable, Mapping
from typing import Any

from tailrace.testing import Totals


def count_rows(rows: Iterable[Mapping[str, Any]]) -> Totals:
    """What rows as JSON lines have them say of connections."""
    totals = Totals()
    for row in rows:
        totals["rows"] += 1
        for life in ("opened", "closed", "failed"):
            totals[life] += row.get(f"connection.{life}", 0) + row.get(f"connections.{life}", 0)
    return totals
