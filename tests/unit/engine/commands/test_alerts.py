"""``tailrace alerts test``: what the target got, and what is said if it takes nothing."""

import json
from pathlib import Path

import pytest

from alerts.journal import JOURNAL, Journal
from alerts.outbox import Letter, Outbox
from engine.cli import run_command
from model.alert import Alert
from model.alert_target import AlertError
from tests.http_server import HttpServer, Reply


def config(folder: Path, url: str) -> str:
    (folder / "key").write_text("the-routing-key")
    target = {
        "name": "night",
        "kind": "pagerduty",
        "settings": {"routing_key_file": str(folder / "key"), "url": url},
    }
    whole = {"alerts": {"targets": [target]}, "trouble": {"path": str(folder)}}
    (folder / "tailrace.yaml").write_text(json.dumps(whole))
    return str(folder / "tailrace.yaml")


def _alert(key: str) -> Alert:
    return Alert(key, 1, "open", "error", "shop/b", "reset", "short words", "text", 0.0, 100.0)


def test_a_target_gets_an_alert_and_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with HttpServer(lambda _: Reply(202)).running() as server:
        assert run_command(["alerts", "test", "night", "--config", config(tmp_path, server.url)]) == 0
        bodies = [json.loads(post.body) for post in server.posts]
    assert [body["event_action"] for body in bodies] == ["trigger", "resolve"]
    assert f"night took the alert {bodies[0]['dedup_key']}" in capsys.readouterr().out


def test_what_it_refuses_is_said_without_the_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with HttpServer(lambda _: Reply(400, b"no the-routing-key here")).running() as server:
        assert run_command(["alerts", "test", "night", "--config", config(tmp_path, server.url)]) == 1
    said = capsys.readouterr().err
    assert "PagerDuty answered 400 (no *** here)" in said


def test_an_unknown_target_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, "http://127.0.0.1:1")
    assert run_command(["alerts", "test", "day", "--config", path]) == 2
    assert "configured: night" in capsys.readouterr().err


def test_what_waits_and_what_was_refused_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a journal that another process may be writing."""
    journal = Journal(tmp_path / JOURNAL)
    outbox = Outbox(journal)
    first, refused, away = (Letter("night", _alert(f"tailrace-{n}"), "") for n in range(3))
    for letter in (first, refused, away):
        outbox.offer(letter.alert, ["night"])
    outbox.sent(first, "", 1_800_000_000.0)
    outbox.failed(refused, AlertError("no such key", "check it"), 1_800_000_001.0)
    outbox.failed(away, AlertError("away", retryable=True), 1_800_000_002.0)
    path = config(tmp_path, "http://127.0.0.1:1")
    assert run_command(["alerts", "list", "--config", path]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["TARGET", "WAITING", "DEAD", "LAST", "SENT", "ASKED", "AGAIN"]
    assert row.split() == ["night", "1", "1", "2027-01-15T08:00:00Z", "2027-01-15T08:00:03Z"]
    assert run_command(["alerts", "dead", "night", "-o", "json", "--config", path]) == 0
    (dead,) = json.loads(capsys.readouterr().out)["dead"]
    assert (dead["alert"], dead["why"]) == ("tailrace-1/1", "no such key: check it")
    assert run_command(["alerts", "dead", "day", "--config", path]) == 2


def test_without_incidents_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["alerts", "list", "--config", config(tmp_path, "http://127.0.0.1:1")]) == 2
    assert "set trouble.enabled: on" in capsys.readouterr().err
