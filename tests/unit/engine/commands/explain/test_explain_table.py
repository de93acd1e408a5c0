"""``tailrace explain TABLE.csv``: what it prints, and what it refuses."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.cli import run_command

TABLE = """version,pod,zone,port,failed,attempts
v1,a,x,80,1,500
v1,b,y,80,0,600
v1,c,x,80,1,400
v2,d,y,80,410,450
v2,e,x,80,400,420
v2,f,y,80,420,445
"""
COUNTS = ("--bad", "failed", "--total", "attempts")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_the_table_says_what_it_is_and_what_it_is_not(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["explain", str(table), *COUNTS]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1,232 of 2,815 bad (44 %; normal ")
    assert said[1] == "version=v2: 94 % bad (1,230 of 1,315); elsewhere 0.13 %; explains 100 %"
    assert said[-1] == "Not it: pod, zone, port."


def test_json_has_causes_and_what_it_is_not(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["explain", str(table), *COUNTS, "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (cause,) = said["causes"]
    assert cause["where"] == {"version": "v2"}
    assert (cause["bad"], cause["total"]) == (1230, 1315)
    assert cause["rate_inside"] == pytest.approx(1230 / 1315)
    assert cause["rate_outside"] == pytest.approx(2 / 1500)
    assert 0.99 < cause["explains"] <= 1
    assert said["not"] == ["pod", "zone", "port"]


def test_rows_that_agree_are_summed_up(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["explain", str(table), *COUNTS, "-o", "json"])
    once = json.loads(capsys.readouterr().out)
    head, *rows = TABLE.splitlines()
    parts = [line.rsplit(",", 2) for line in rows]
    halves = [f"{words},{int(bad) // 2},{int(total) // 2}" for words, bad, total in parts]
    others = [f"{words},{-(-int(bad) // 2)},{-(-int(total) // 2)}" for words, bad, total in parts]
    table.write_text("\n".join([head, *halves, *others]))
    run_command(["explain", str(table), *COUNTS, "-o", "json"])
    assert json.loads(capsys.readouterr().out) == once


def test_columns_may_be_left_out(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["explain", str(table), *COUNTS, "--ignore", "version", "-o", "json"])
    causes = json.loads(capsys.readouterr().out)["causes"]
    assert sorted(cause["where"]["pod"] for cause in causes) == ["d", "e", "f"]


def test_what_was_normal_is_no_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.csv"
    rows = ["a,b,bad,total,bad0,total0"]
    rows += [f"x,{b},300,1000,{300 * 5},5000" for b in range(20)]
    rows += [f"y,{b},{100 if b == 3 else 1},1000,5,5000" for b in range(20)]
    path.write_text("\n".join(rows))
    words = ["--bad", "bad", "--total", "total", "--expected-bad", "bad0", "--expected-total", "total0"]
    run_command(["explain", str(path), *words, "-o", "json"])
    (cause,) = json.loads(capsys.readouterr().out)["causes"]
    assert cause["where"] == {"a": "y", "b": "3"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t").replace("\n", "\r\n"),
        lambda text: text.replace("zone", '"zone, or; ""room"""').replace("x", '"x,\n1"'),
    ],
    ids=["with a byte order mark", "semicolons", "tabs", "quotes"],
)
def test_tables_of_other_programs_are_read(
    table: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str]
) -> None:
    table.write_text(change(TABLE), encoding="utf-8", newline="")
    assert run_command(["explain", str(table), *COUNTS, "-o", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [cause["where"] for cause in said["causes"]] == [{"version": "v2"}]
    assert len(said["not"]) == 3


@pytest.mark.parametrize("words", [(), ("--depth", "1"), ("--depth", "99")])
def test_a_name_for_each_row_is_no_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{at},same,{'ab'[at % 2]},{at % 2 * 3},10" for at in range(5000)]
    path.write_text("\n".join(["id,one,half,failed,attempts", *rows]))
    run_command(["explain", str(path), *COUNTS, *words, "-o", "json"])
    assert [cause["where"] for cause in json.loads(capsys.readouterr().out)["causes"]] == [{"half": "b"}]


@pytest.mark.parametrize("row", ["x,9,10,0,0", "x,0,0,0,0", "x,0.5,1e9,3,4"])
def test_one_row_has_no_other_to_differ_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"a,failed,attempts,bad0,total0\n{row}\n")
    expected = ("--expected-bad", "bad0", "--expected-total", "total0")
    assert run_command(["explain", str(path), *COUNTS, *expected, "-o", "json"]) == 0
    assert run_command(["explain", str(path), *COUNTS, "-o", "json"]) == 0
    assert all(json.loads(line)["causes"] == [] for line in capsys.readouterr().out.splitlines()[1:])


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("", COUNTS, "has no rows"),
        ("a,failed,attempts\n", COUNTS, "has no rows"),
        ("a,failed\nx,1\n", COUNTS, "has no column attempts; it has a, failed"),
        ("failed,attempts\n1,2\n", COUNTS, "has no attributes"),
        ("a,a,failed,attempts\nx,y,1,2\n", COUNTS, "has two columns a"),
        ("a,failed,attempts\nx,1,2\ny,2\n", COUNTS, "line 3: 2 fields, not 3"),
        ("a,failed,attempts\nx,1,2\ny,many,2\n", COUNTS, "row 2: failed is 'many'"),
        ("a,failed,attempts\nx,-1,2\n", COUNTS, "row 1: failed is -1"),
        ("a,failed,attempts\nx,nan,2\n", COUNTS, "row 1: failed is nan"),
        ("a,failed,attempts\nx,3,2\n", COUNTS, "failed is 3, more than attempts, which is 2"),
        ("a,failed,attempts\nx,,2\n", COUNTS, "row 1: failed is ''"),
        ("a;failed;attempts\nx;1;2,5\n", COUNTS, "row 1: attempts is '2,5'"),
        (TABLE, (*COUNTS, "--expected-bad", "failed"), "give both or none"),
        (TABLE, (*COUNTS, "--depth", "0"), "--depth is 0"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert run_command(["explain", str(path), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["explain", str(tmp_path / "none.csv"), *COUNTS]) == 2
    assert "none.csv (No such file or directory)" in capsys.readouterr().err


def test_a_table_without_counts_is_told_from_workloads(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["explain", str(table)]) == 2
    assert "--bad and --total" in capsys.readouterr().err
    assert run_command(["explain", str(table), "--bad", "failed"]) == 2
