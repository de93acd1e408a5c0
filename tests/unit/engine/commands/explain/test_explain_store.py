"""``tailrace explain WORKLOAD`` over a real store folder: a version that is broken from a known second on."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.fleet import boutique
from benchmarks.fleet import second as fleet_second
from engine.cli import run_command
from store.segments.writer import Writer
from tests.unit.store.queries.fleets import BAD_VERSION, BEGIN, MINUTE

BROKEN = BEGIN + MINUTE


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "store"
    writer = Writer(folder)
    whole = boutique()
    for at in range(2 * MINUTE):
        made = whole if at < MINUTE else whole.broken(BAD_VERSION, 0.6)
        writer.take(fleet_second(made, BEGIN + at, at))
    writer.sync()
    writer.close()
    return folder


def words(place: Path, *more: str) -> list[str]:
    return [
        "explain",
        "checkoutservice",
        "--store",
        str(place),
        "--window",
        "60s",
        "--at",
        str(BEGIN + 120),
        *more,
    ]


def test_the_broken_version_is_said_with_its_begin(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(words(place)) == 0
    said = capsys.readouterr().out.splitlines()
    assert " connects failed (" in said[0]
    assert said[1].startswith(f"server.version={BAD_VERSION}: ")
    began = next(line.split()[1] for line in said if line.startswith("  began "))
    second = datetime.fromisoformat(began).replace(tzinfo=UTC).timestamp()
    assert abs(second - BROKEN) <= 3
    assert said[-1].startswith(datetime.fromtimestamp(BROKEN, UTC).strftime("%Y-%m-%dT%H:%M:%SZ to "))


def test_json_is_the_answer_of_where(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(words(place, "--against", "-60s", "-o", "json")) == 0
    answer = json.loads(capsys.readouterr().out)
    (cause,) = answer["data"]["causes"]
    assert cause["where"] == {"server.version": BAD_VERSION}
    assert cause["rate_inside"] == pytest.approx(0.6, abs=0.1)
    assert answer["data"]["by"]


def test_a_minute_in_which_all_was_well_has_no_cause(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = words(place)
    early[early.index("--at") + 1] = str(BROKEN)
    assert run_command(early) == 0
    assert "server.version" not in capsys.readouterr().out.splitlines()[1]


def test_of_drops_it_counts_packets(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(words(place, "--of", "drops")) == 0
    assert " packets dropped (" in capsys.readouterr().out.splitlines()[0]
