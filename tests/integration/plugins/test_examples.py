"""The examples, as somebody else installs, tests and uses them; and the first sink of ``docs/plugins.md``."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.environment import ROOMS, ROOT, Environment
from tests.recordings import traffic
from tests.recordings.make import HERE

RECORDING = HERE / "short.tlr"
CLOSED = traffic.SHORT + traffic.RESET


@pytest.mark.parametrize(
    ("example", "tests"), [("sink-csv", 11), ("enricher-racks", 11), ("probe-lookups", 3)]
)
def test_the_tests_of_an_example_pass(
    environment: Environment, tmp_path: Path, example: str, tests: int
) -> None:
    """They use ``tailrace.testing`` as it is installed."""
    for file in (ROOT / "examples" / example).glob("test_*.py"):
        (tmp_path / file.name).write_text(file.read_text())
    done = environment.pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= tests


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/**/*.py")), ids=lambda file: file.name)
def test_examples_import_the_public_face_alone(file: Path) -> None:
    """Of Tailrace they import ``tailrace.api`` and ``tailrace.testing``."""
    imported = re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
    public = {"tailrace.api", "tailrace.testing"}
    assert {name for name in imported if name.split(".")[0] in ROOMS} <= public


def test_the_example_sink_gets_the_rows_of_a_replay(environment: Environment, tmp_path: Path) -> None:
    """Every connection of the recording is in its file, with the bytes that were sent."""
    path = tmp_path / "flows.csv"
    config = tmp_path / "tailrace.yaml"
    sink = {"name": "csv", "settings": {"path": str(path)}, "batch": {"seconds": 60}}
    config.write_text(json.dumps({"sinks": [sink]}))
    done = environment.tailrace("replay", RECORDING, "--speed", "max", "--config", config)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    closed = [row for row in rows if row["connection.closed"] == "True"]
    assert sum(row["connection.failed"] == "True" for row in rows) == traffic.REFUSED
    assert sorted((int(row["client.tx_bytes"]), int(row["client.rx_bytes"])) for row in closed) == sorted(
        (traffic.UP + number, traffic.DOWN + number) for number in range(CLOSED)
    )


def test_the_example_enricher_names_the_ends_of_a_replay(environment: Environment, tmp_path: Path) -> None:
    """Each end that reports has the rack of its node."""
    plain = environment.tailrace("replay", RECORDING, "--speed", "max", "--sink", "jsonl:-")
    node = next(
        row["client.node"] for row in map(json.loads, plain.stdout.splitlines()) if row["kind"] == "flow"
    )
    (tmp_path / "racks.csv").write_text(f"node,rack\n{node},r7\n")
    config = tmp_path / "tailrace.yaml"
    enricher = {"name": "racks", "settings": {"path": str(tmp_path / "racks.csv")}}
    config.write_text(json.dumps({"enrichers": [enricher]}))
    done = environment.tailrace(
        "replay", RECORDING, "--speed", "max", "--sink", "jsonl:-", "--config", config
    )
    assert done.returncode == 0, done.stderr
    rows = [row for row in map(json.loads, done.stdout.splitlines()) if row["kind"] == "flow"]
    assert {row["client.entity"]["rack.name"] for row in rows} == {"r7"}
    assert "rack.name" not in plain.stdout


def test_the_first_sink_of_the_page_works_as_it_stands(tailrace_alone: Environment, tmp_path: Path) -> None:
    """At most 40 lines that import ``tailrace.api`` alone; installed, listed, and rows come out."""
    page = (ROOT / "docs" / "plugins.md").read_text()
    files = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert set(files) >= {"first/pyproject.toml", "first/first_sink.py", "first/test_first_sink.py"}
    assert files["first/first_sink.py"].count("\n") <= 40
    imported = re.findall(r"^(?:from|import) (\S+)", files["first/first_sink.py"], re.MULTILINE)
    assert imported == ["tailrace.api"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = tailrace_alone.copied(tmp_path / "environment")
    environment.install(tmp_path / "first")
    tested = environment.pytest(tmp_path / "first")
    assert tested.returncode == 0, tested.stdout
    listed = environment.tailrace("plugins", "first")
    assert listed.stdout.startswith("sink first, of tailrace-first 1.0 (first_sink:FirstSink)\n")
    rows = tmp_path / "rows.json"
    done = environment.tailrace("replay", RECORDING, "--speed", "max", "--sink", f"first:{rows}")
    assert done.returncode == 0, done.stderr
    closed = [row for row in map(json.loads, rows.read_text().splitlines()) if row.get("connection.closed")]
    assert len(closed) == CLOSED


def test_the_example_probe_is_small() -> None:
    """Python and C together have at most 60 lines."""
    files = [*(ROOT / "examples" / "probe-lookups" / "tailrace_probe_lookups").glob("*.[pch]*")]
    assert {file.suffix for file in files} == {".py", ".c", ".h"}
    assert sum(file.read_text().count("\n") for file in files) <= 60
