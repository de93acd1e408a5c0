"""`tailrace doctor`: its table, its JSON and its exit code."""

import json

import pytest

from engine.config import Config
from engine.doctor import report
from engine.doctor.subject import Subject
from engine.secrets import guard
from probes.checks.check import Check

GOOD = Check("kernel", "ok", "Linux 6.18.1 (5.10 or newer is needed)", required=True)
LESSER = Check(
    "pid namespace", "degraded", "one of a container", "owners are not found " * 5, "docker run --pid=host"
)
SPARE = Check("tracefs", "not needed", "raw tracepoints are attached through bpf(2)")
FATAL = Check("bcc", "missing", "no module", "BPF cannot be compiled", "apt-get install it", required=True)
SOUND = {"machine": [GOOD, LESSER, SPARE], "headers": []}
BROKEN = {"machine": [GOOD], "headers": [FATAL]}


def run(
    groups: report.Groups, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code and what was printed on a machine with these checks."""
    monkeypatch.setattr(report, "examine", lambda _: groups)
    subject = Subject("run", Config(), [], None, inside=False, found=GOOD)
    code = report.run_doctor(subject, "json" if output == "json" else "table")
    return code, capsys.readouterr().out


def test_the_table_fits_80_columns_and_uses_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each check says what was found, what it costs and how to fix it; no line is longer than a terminal."""
    code, text = run(SOUND, "table", monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert "  ✓ ok          kernel: Linux 6.18.1 (5.10 or newer is needed)\n" in text
    assert "  ! degraded    pid namespace: one of a container\n" in text
    assert "                cost: owners are not found owners" in text
    assert "                fix: docker run --pid=host\n" in text
    assert "  - not needed  tracefs: " in text
    assert text.endswith("`tailrace run` works here, with less in 1 point.\n")
    assert code == 0


def test_a_required_check_that_failed_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line names what to fix, and the exit code is 1."""
    code, text = run(BROKEN, "table", monkeypatch, capsys)
    assert text.endswith("\n`tailrace run` cannot work here. Fix first: bcc.\n")
    assert code == 1


def test_json_holds_every_field(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read the same as people, and the same verdict."""
    code, text = run(BROKEN, "json", monkeypatch, capsys)
    report = json.loads(text)
    assert (code, report["ok"]) == (1, False)
    assert report["checks"][1] == {
        "group": "headers",
        "name": "bcc",
        "status": "missing",
        "detail": "no module",
        "cost": "BPF cannot be compiled",
        "remedy": "apt-get install it",
        "required": True,
    }
    assert json.loads(run(SOUND, "json", monkeypatch, capsys)[1])["ok"] is True


def test_no_secret_that_a_server_repeats_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither to people nor to programs."""
    guard(["not-hunter3"])
    said = Check("sink clickhouse", "missing", "it answered 401 (wrong: not-hunter3)", remedy="not-hunter3")
    for output in ("table", "json"):
        code, text = run({"sinks": [said]}, output, monkeypatch, capsys)
        assert (code, "not-hunter3" in text) == (0, False)


def test_the_verdict_names_the_role() -> None:
    assert report.report_table(SOUND, "engine").endswith(
        "`tailrace engine` works here, with less in 1 point."
    )
