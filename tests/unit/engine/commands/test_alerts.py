"""``tailrace alerts test``: what the target got, and what is said if it takes nothing."""

import json
from pathlib import Path

import pytest

from engine.cli import run_command
from tests.http_server import HttpServer, Reply


def config(folder: Path, url: str) -> str:
    (folder / "key").write_text("the-routing-key")
    target = {
        "name": "night",
        "kind": "pagerduty",
        "settings": {"routing_key_file": str(folder / "key"), "url": url},
    }
    (folder / "tailrace.yaml").write_text(json.dumps({"alerts": {"targets": [target]}}))
    return str(folder / "tailrace.yaml")


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
