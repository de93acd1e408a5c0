"""The harness of the benchmarks: lines, bars and exit codes. No figure is measured."""

import json
from collections.abc import Iterator

import pytest

from benchmarks.catalogue import FIGURES
from benchmarks.figure import KEYS, Bar, Figure, Reading
from benchmarks.run import main
from model.errors import TailraceError

FAST = Reading(0.04, "µs", Bar(at_most=0.05, times=20), "bcc", 1.0)
SLOW = Reading(0.04, "µs", Bar(at_most=0.05, times=20), "bcc", 0.4)
ALONE = Reading(80.0, "MB", Bar(at_most=120))


def figure(name: str, *readings: Reading) -> Figure:
    return Figure(name, "a figure of the test", lambda: readings)


def failing() -> Iterator[Reading]:
    raise TailraceError("nginx is missing", "apt-get install nginx-light")
    yield


def test_json_has_one_object_of_the_agreed_keys_for_each_reading(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys in order; a peer's absence is null."""
    assert main(["-o", "json"], [figure("ring", FAST), figure("memory", ALONE)]) == 0
    ring, memory = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert tuple(ring) == KEYS
    assert ring == {
        "name": "ring",
        "value": 0.04,
        "unit": "µs",
        "peer": "bcc",
        "peer_value": 1.0,
        "ratio": 25.0,
        "bar": "<= 0.05 µs and >= 20x",
        "ok": True,
        "note": "",
    }
    assert [memory[key] for key in ("peer", "peer_value", "ratio", "bar")] == [None, None, None, "<= 120 MB"]


def test_a_missed_bar_is_exit_1_and_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten times better than the peer is not twenty times."""
    assert main(["-o", "json"], [figure("ring", FAST, SLOW)]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, False]
    assert "missed: ring against bcc: 0.04 µs (10x), not <= 0.05 µs and >= 20x" in err


def test_an_unknown_name_is_a_usage_error_that_lists_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is measured then."""
    assert main(["wing"], [figure("ring", FAST), figure("memory", ALONE)]) == 2
    assert capsys.readouterr().err == "benchmarks: unknown figure wing: known: ring, memory\n"


def test_an_unknown_option_is_a_usage_error() -> None:
    """As everywhere on the command line."""
    with pytest.raises(SystemExit) as error:
        main(["--fast"], [])
    assert error.value.code == 2


def test_a_name_measures_that_figure_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The other one would miss its bar."""
    assert main(["-o", "json", "memory"], [figure("ring", SLOW), figure("memory", ALONE)]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["memory"]


def test_a_figure_that_cannot_be_measured_is_printed_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And misses its bar; the figures after it are still measured."""
    figures = [Figure("web", "a figure of the test", failing), figure("memory", ALONE)]
    assert main(["-o", "json"], figures) == 1
    web, memory = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (web["value"], web["ok"], memory["ok"]) == (None, False, True)
    assert "apt-get install nginx-light" in web["note"]


def test_a_peer_that_cannot_run_is_printed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Our value is still held to the rest of the bar."""
    lame = Reading(0.04, "µs", Bar(at_most=0.05, times=20), "bcc", note="needs kprobes")
    assert main([], [figure("ring", lame)]) == 0
    out = capsys.readouterr().out
    assert "bcc" in out
    assert "needs kprobes" in out


def test_more_is_better_where_a_reading_says_so() -> None:
    """A ratio above 1 is always in our favour."""
    assert Reading(90.0, "%", Bar(), "ss", 45.0, "more").ratio == 2.0
    assert Reading(90.0, "ms", Bar(), "ss", 45.0).ratio == 0.5


def test_a_list_names_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """Without measuring one."""
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [it.name for it in FIGURES]
