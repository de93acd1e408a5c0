"""Apprise: its library posts to a real server what it is told, and no secret of the URL gets out."""

import json
import logging
import sys
from pathlib import Path

import msgspec
import pytest

from alerts.targets.apprise import Apprise, AppriseConfig
from model.alert import Alert
from model.alert_target import AlertError
from model.errors import UsageError
from tests.http_server import HttpServer, Reply

SECRET = "s3cr3t-0123456789abcdef012345678"
ALERT = Alert(
    *(
        "tailrace-1",
        1,
        "open",
        "critical",
        "shop/b",
        "reset",
        "CRITICAL shop/b: <31 %> reset",
        "line 1\nline 2",
    ),
    *(1.0, 30.0, {}, "https://map.example/incident/1"),
)


def target(folder: Path, url: str) -> Apprise:
    (folder / "url").write_text(f"{url}\n")
    return Apprise(AppriseConfig(str(folder / "url")))


async def test_a_message_for_each_state(tmp_path: Path) -> None:
    states = [
        ALERT,
        msgspec.structs.replace(ALERT, event="update", severity="warning"),
        msgspec.structs.replace(ALERT, event="resolve"),
    ]
    with HttpServer(lambda _: Reply(200)).running() as server:
        apprise = target(tmp_path, server.url.replace("http://", f"json://user:{SECRET}@"))
        await apprise.open()
        for alert in states:
            await apprise.send(alert, "")
        await apprise.close()
        posts = [json.loads(post.body) for post in server.posts]
    assert [(post["type"], post["title"]) for post in posts] == [
        ("failure", "[open] CRITICAL shop/b: <31 %> reset"),
        ("warning", "[update] CRITICAL shop/b: <31 %> reset"),
        ("success", "[resolve] CRITICAL shop/b: <31 %> reset"),
    ]
    assert posts[0]["message"] == "line 1\nline 2\nhttps://map.example/incident/1"


@pytest.mark.parametrize("status", [0, 403, 503])
async def test_what_is_not_taken_comes_again(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with HttpServer(lambda _: Reply(status)).running() as server:
        apprise = target(tmp_path, server.url.replace("http://", f"json://user:{SECRET}@"))
        await apprise.open()
        with pytest.raises(AlertError, match="did not take it") as raised:
            await apprise.send(ALERT, "")
    assert raised.value.retryable
    assert SECRET not in caplog.text + str(raised.value)


@pytest.mark.parametrize("url", [f"nosuch://{SECRET}", f"json://a {SECRET}"])
async def test_a_url_that_it_does_not_know_is_said_without_it(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UsageError, match="holds no URL that apprise knows") as raised:
        await target(tmp_path, url).open()
    assert SECRET not in caplog.text + str(raised.value)


async def test_without_the_library_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UsageError, match=r"needs the library apprise: pip install 'tailrace\[apprise\]'"):
        await target(tmp_path, "json://localhost").open()
