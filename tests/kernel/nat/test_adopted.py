"""NAT that was there before Tailrace, and networks that come after it has started."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.beds.check import compare, report
from tests.beds.network import FAMILIES, bed
from tests.beds.outcome import outcome_of
from tests.beds.scenes import SCENES, stage, stages
from tests.beds.watch import Territory, Watch, scaled

pytestmark = pytest.mark.kernel

EACH = 3
ALL = EACH * len(SCENES) * len(FAMILIES)


def test_connections_older_than_tailrace_are_joined(tmp_path: Path) -> None:
    """Connections that were open at the start are joined by the entries that were there, and counted from then on."""
    with stages(tmp_path) as playing:
        for one in playing.values():
            one.play_all(EACH, hold=True)
        with Watch.started(tmp_path / "flows.jsonl") as watch:
            for one in playing.values():
                one.release()
            outcomes = [outcome_of(one) for one in playing.values()]
            rows = watch.rows()
    for outcome in outcomes:
        cases = [replace(case, adopted=True) for case in outcome.cases()]
        assert len(cases) == ALL
        failures = compare(cases, rows, outcome.territory)
        assert not failures, report(failures)


def test_networks_made_after_the_start_are_joined(tmp_path: Path) -> None:
    """Namespaces and rules that come while it runs are found, also for connections that are over before."""
    with (
        Watch.started(tmp_path / "flows.jsonl") as watch,
        bed() as made,
        stage(made, "nftables", tmp_path) as playing,
    ):
        playing.play_all(scaled(10))
        outcome = outcome_of(playing)
        outcome.rows = watch.rows()
    assert len(outcome.cases()) == scaled(10) * len(SCENES) * len(FAMILIES)
    assert outcome.wrong == [], report(outcome.wrong)


def test_long_connections_are_joined_while_they_last(tmp_path: Path) -> None:
    """Connections over several seconds are one flow in all of their rows."""
    with (
        bed() as made,
        stage(made, "nftables", tmp_path) as playing,
        Watch.started(tmp_path / "flows.jsonl") as watch,
    ):
        playing.play_all(EACH, hold=True)
        watch.await_opened(Territory.of(made), ALL)
        playing.release()
        outcome = outcome_of(playing)
        outcome.rows = watch.rows()
    assert len(outcome.cases()) == ALL
    assert outcome.wrong == [], report(outcome.wrong)
