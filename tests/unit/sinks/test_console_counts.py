"""The console's summary counts what rows are ranked by, of kinds that move nothing."""

import pytest

from model.kind import Kind
from model.kinds.drop import DROP
from model.kinds.query import QUERY
from sinks.console.plain import plain_lines
from sinks.console.summary import WindowSummary
from tailrace.testing import make_batch


@pytest.mark.parametrize("kind", [QUERY, DROP], ids=lambda kind: kind.plural)
def test_the_summary_has_the_sums_of_the_rows(kind: Kind) -> None:
    """Failed ones where the kind knows such."""
    batch = make_batch(kind, 7)
    summary = WindowSummary(batch, 3, "bytes")
    summary.add(batch)
    (head, *_) = plain_lines(summary).splitlines()
    assert f" {kind.rank}={batch.columns[kind.rank].sum()} " in head
    failed = batch.columns.get(f"{kind.rank}.failed")
    if failed is None:
        assert ".failed" not in head
    else:
        assert f" {kind.rank}.failed={failed.sum()} " in head
