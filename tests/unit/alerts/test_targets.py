"""Targets say what their receivers document, and never a secret in an error."""

import hashlib
import hmac
import json
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from alerts.targets.alertmanager import Alertmanager, AlertmanagerConfig
from alerts.targets.email import Email, EmailConfig
from alerts.targets.opsgenie import Opsgenie, OpsgenieConfig
from alerts.targets.pagerduty import PagerDuty, PagerDutyConfig
from alerts.targets.slack import Slack, SlackConfig
from alerts.targets.teams import Teams, TeamsConfig
from alerts.targets.webhook import AlertWebhook, AlertWebhookConfig
from model.alert import Alert
from model.alert_target import AlertError, AlertTarget
from model.errors import UsageError
from tests.http_server import HttpServer, Post, Reply

SECRET = "s3cr3t-0123456789abcdef012345678"
OPEN = Alert(
    "tailrace-1", 1, "open", "critical", "shop/b", "connect_refused", "CRITICAL <shop/b> & co" + "x" * 170,
    "line\n" * 9000, 1.0, 30.0, {"server.version": "v2"}, "https://map.example/i/1",
)  # fmt: skip
STATES = [OPEN, msgspec.structs.replace(OPEN, revision=2, event="update")]
STATES.append(msgspec.structs.replace(OPEN, revision=3, event="resolve"))


def no_answer(_: Post) -> Reply:
    return Reply(202)


def slack_answer(post: Post) -> Reply:
    return Reply(200, b'{"ok": true, "channel": "C1", "ts": "17.5"}')


Make = Callable[[str, str], AlertTarget]
MAKE: dict[str, Make] = {
    "pagerduty": lambda url, file: PagerDuty(PagerDutyConfig(file, url)),
    "opsgenie": lambda url, file: Opsgenie(OpsgenieConfig(file, url)),
    "alertmanager": lambda url, file: Alertmanager(AlertmanagerConfig(url, file), lambda: 1000.0),
    "slack": lambda url, file: Slack(SlackConfig(file, "C1", url=url)),
    "webhook": lambda url, file: AlertWebhook(AlertWebhookConfig(url, file), lambda: 1000.0),
}


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return str(tmp_path / "secret")


async def told(target: AlertTarget) -> str:
    """All states, one after the other."""
    await target.open()
    receipt = ""
    try:
        for alert in STATES:
            receipt = await target.send(alert, receipt)
    finally:
        await target.close()
    return receipt


async def posts_of(
    name: str, file: str, answer: Callable[[Post], Reply] = no_answer
) -> list[tuple[Post, Any]]:
    with HttpServer(answer).running() as server:
        await told(MAKE[name](server.url, file))
        return [(post, json.loads(post.body)) for post in server.posts]


async def test_pagerduty_opens_and_resolves_by_one_key(secret_file: str) -> None:
    posts = await posts_of("pagerduty", secret_file)
    bodies = [body for _, body in posts]
    assert {post.path for post, _ in posts} == {"/v2/enqueue"}
    assert [body["event_action"] for body in bodies] == ["trigger", "trigger", "resolve"]
    assert {(body["routing_key"], body["dedup_key"]) for body in bodies} == {(SECRET, "tailrace-1")}
    payload = bodies[0]["payload"]
    assert 0 < len(payload["summary"]) <= 1024
    assert (payload["source"], payload["severity"]) == ("shop/b", "critical")
    assert payload["timestamp"] == "1970-01-01T00:00:01.000Z"
    assert max(len(post.body) for post, _ in posts) < 512_000


async def test_opsgenie_opens_notes_and_closes_by_alias(secret_file: str) -> None:
    posts = await posts_of("opsgenie", secret_file)
    assert [post.path for post, _ in posts] == [
        "/v2/alerts",
        "/v2/alerts/tailrace-1/notes?identifierType=alias",
        "/v2/alerts/tailrace-1/close?identifierType=alias",
    ]
    assert {post.headers["Authorization"] for post, _ in posts} == {f"GenieKey {SECRET}"}
    body = posts[0][1]
    assert (len(body["message"]) <= 130, len(body["description"]) <= 15_000) == (True, True)
    assert (body["alias"], body["priority"]) == ("tailrace-1", "P1")
    assert all(isinstance(value, str) for value in body["details"].values())


async def test_slack_changes_its_message_in_place_and_tells_changes_in_the_thread(secret_file: str) -> None:
    posts = await posts_of("slack", secret_file, slack_answer)
    calls = [(post.path, body.get("ts"), body.get("thread_ts")) for post, body in posts]
    assert calls == [
        ("/chat.postMessage", None, None),
        *[("/chat.update", "17.5", None), ("/chat.postMessage", None, "17.5")] * 2,
    ]
    for post, body in posts:
        assert post.headers["Authorization"] == f"Bearer {SECRET}"
        assert "<shop" not in body["text"]
        assert all(len(block["text"]["text"]) <= 3000 for block in body.get("blocks", ()))


@pytest.mark.parametrize(("why", "again"), [("ratelimited", True), ("channel_not_found", False)])
async def test_slack_says_no_with_a_good_status(why: str, again: bool, secret_file: str) -> None:
    with pytest.raises(AlertError, match=why) as raised:
        await posts_of(
            "slack", secret_file, lambda _: Reply(200, json.dumps({"ok": False, "error": why}).encode())
        )
    assert raised.value.retryable == again


async def test_teams_and_a_slack_webhook_take_the_url_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with HttpServer(no_answer).running() as server:
        file.write_text(f"{server.url}/hook/{SECRET}\n")
        await told(Teams(TeamsConfig(str(file))))
        await told(Slack(SlackConfig(webhook_file=str(file))))
        bodies = [json.loads(post.body) for post in server.posts]
        assert {post.path for post in server.posts} == {f"/hook/{SECRET}"}
        assert max(len(post.body) for post in server.posts) < 28_000
    card = bodies[0]["attachments"][0]
    assert (bodies[0]["type"], card["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["content"]["type"], card["content"]["body"][0]["type"]) == ("AdaptiveCard", "TextBlock")
    assert all(body["text"] for body in bodies[3:])


async def test_the_webhook_is_signed_and_has_an_id(secret_file: str) -> None:
    for post, body in await posts_of("webhook", secret_file):
        signed = hmac.new(SECRET.encode(), b"1000." + post.body, hashlib.sha256).hexdigest()
        assert post.headers["Tailrace-Signature"] == f"t=1000,v1={signed}"
        assert post.headers["Tailrace-Id"] == f"tailrace-1/{body['alert']['revision']}"
        assert msgspec.convert(body["alert"], Alert) in STATES


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (503, True), (0, True), (400, False), (403, False)]
)
async def test_what_is_busy_is_asked_again_and_what_refuses_is_not(
    name: str, status: int, again: bool, secret_file: str
) -> None:
    """And a server that repeats the secret does not bring it into the error."""
    reply = Reply(status, f"bad key {SECRET}".encode(), {"Retry-After": "7"})
    with pytest.raises(AlertError) as raised:
        await posts_of(name, secret_file, lambda _: reply)
    assert raised.value.retryable == again
    assert raised.value.pause == (7 if status in (429, 503) else 0)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("name", MAKE)
async def test_a_secret_that_cannot_be_read_is_said_at_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        await told(MAKE[name]("http://127.0.0.1:1", str(tmp_path / "none")))


class MailServer:
    """Takes mails as RFC 5321 says, and keeps them."""

    def __init__(self, reply: str = "250 ok") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.mails: list[str] = []
        self._reply = reply
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rwb", buffering=0) as lines:
                lines.write(b"220 here\r\n")
                while (line := lines.readline()) and line[:4].upper() not in (b"QUIT", b"STOP"):
                    lines.write(self._answer(line.upper(), lines).encode() + b"\r\n")
                if line.startswith(b"STOP"):
                    return

    def _answer(self, line: bytes, lines: Any) -> str:
        if not line.startswith(b"DATA"):
            return self._reply if line.startswith(b"RCPT") else "250 ok"
        lines.write(b"354 go on\r\n")
        text = b""
        while not text.endswith(b"\r\n.\r\n"):
            text += lines.readline()
        self.mails.append(text.decode())
        return "250 ok"

    def stop(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"STOP\r\n")
            self._thread.join()
        self._socket.close()


async def test_mails_of_an_incident_are_one_thread() -> None:
    server = MailServer()
    try:
        await told(Email(EmailConfig("127.0.0.1", "tailrace@a.example", ["b@c.example"], server.port, "off")))
    finally:
        server.stop()
    assert len(server.mails) == 3
    for revision, mail in enumerate(server.mails, 1):
        assert f"Message-ID: <tailrace-1.{revision}@a.example>" in mail
        assert "References: <tailrace-1@a.example>" in mail


@pytest.mark.parametrize(("reply", "again"), [("451 later", True), ("550 nobody", False)])
async def test_a_mail_server_says_whether_to_come_again(reply: str, again: bool) -> None:
    server = MailServer(reply)
    try:
        with pytest.raises(AlertError) as raised:
            await told(Email(EmailConfig("127.0.0.1", "a@b.example", ["c@d.example"], server.port, "off")))
    finally:
        server.stop()
    assert raised.value.retryable == again
