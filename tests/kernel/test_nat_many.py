"""Many short connections through DNAT: each is joined with the backend that its server's log names."""

import contextlib
from collections import Counter
from pathlib import Path

import pytest

from tests.beds.check import compare, report, whole
from tests.beds.network import bed
from tests.beds.rules import KINDS, Kind
from tests.beds.scenes import stage
from tests.beds.watch import Territory, Watch, scaled

pytestmark = pytest.mark.kernel

COUNT = 1000


@pytest.mark.parametrize("kind", KINDS)
def test_each_short_connection_has_its_own_backend(kind: Kind, tmp_path: Path) -> None:
    """1,000 connections as fast as one client makes them, over two backends at random: none wrong, none missing."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(bed())
        playing = stack.enter_context(stage(made, kind, tmp_path))
        watch = stack.enter_context(Watch.started(tmp_path / "flows.jsonl"))
        playing.play("dnat", "ipv4", scaled(COUNT))
        truth, territory, rows = playing.truth(), Territory.of(made), watch.rows()
    backends = Counter(exchange.server.destination for exchange in truth)
    assert set(backends) == set(made.backends("ipv4"))
    assert min(backends.values()) > scaled(COUNT) // 4
    failures = compare([whole(exchange, rewritten=True) for exchange in truth], rows, territory)
    assert not failures, report(failures)
