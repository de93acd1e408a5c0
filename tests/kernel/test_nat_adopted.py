"""NAT that was there before Tailrace, and networks that come after it has started."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.beds.check import compare, report
from tests.beds.network import FAMILIES, bed
from tests.beds.played import played
from tests.beds.rules import KINDS, Kind
from tests.beds.scenes import SCENES, Stage, stage
from tests.beds.watch import Territory, Watch, scaled

pytestmark = pytest.mark.kernel


def play_all(playing: Stage, count: int, *, hold: bool = False) -> None:
    """All scenes, both families."""
    for scene in SCENES:
        for family in FAMILIES:
            playing.play(scene.name, family, count, hold)


@contextlib.contextmanager
def bed_of(kind: Kind, folder: Path) -> Iterator[Stage]:
    """A bed with rules."""
    with bed() as made, stage(made, kind, folder) as playing:
        yield playing


@pytest.mark.parametrize("kind", KINDS)
def test_connections_older_than_tailrace_are_joined(kind: Kind, tmp_path: Path) -> None:
    """Connections that were open at the start are joined by the entries that were there, and counted from then on."""
    with bed_of(kind, tmp_path) as playing:
        play_all(playing, 3, hold=True)
        with Watch.started(tmp_path / "flows.jsonl") as watch:
            playing.release()
            outcome = played(playing)
            rows = watch.rows()
    cases = [replace(case, adopted=True) for case in outcome.cases()]
    assert len(cases) == 3 * len(SCENES) * len(FAMILIES)
    failures = compare(cases, rows, outcome.territory)
    assert not failures, report(failures)


def test_networks_made_after_the_start_are_joined(tmp_path: Path) -> None:
    """Namespaces and rules that come while it runs are found, also for connections that are over before."""
    with Watch.started(tmp_path / "flows.jsonl") as watch, bed_of("nftables", tmp_path) as playing:
        play_all(playing, scaled(10))
        outcome = played(playing)
        outcome.rows = watch.rows()
    outcome.check()


def test_long_connections_are_joined_while_they_last(tmp_path: Path) -> None:
    """Connections over several seconds are one flow in all of their rows."""
    with bed_of("nftables", tmp_path) as playing, Watch.started(tmp_path / "flows.jsonl") as watch:
        play_all(playing, 3, hold=True)
        watch.await_opened(Territory.of(playing.bed), 3 * len(SCENES) * len(FAMILIES))
        playing.release()
        outcome = played(playing)
        outcome.rows = watch.rows()
    outcome.check()
