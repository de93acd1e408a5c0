"""Stand-ins of those who take alerts, each as strict as what its API documents.

Slack: chat.postMessage and chat.update; PagerDuty: Events API v2; Opsgenie: Alert API; Teams: an adaptive card in a
message of a workflow's webhook; and the webhook of Tailrace's own.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from tests.http_server import HttpServer, Post, Reply

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """No field that is not documented."""


class SlackText(_Strict):
    type: Literal["mrkdwn", "plain_text"]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=3000)]


class SlackBlock(_Strict):
    type: Literal["section"]
    text: SlackText


class SlackMessage(_Strict):
    channel: Text
    text: Text
    blocks: Annotated[list[SlackBlock], msgspec.Meta(max_length=50)] = []
    ts: str = ""
    thread_ts: str = ""
    reply_broadcast: bool = False


class PagerDutyPayload(_Strict):
    summary: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    source: Text
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    component: str = ""
    group: str = ""
    class_: str = msgspec.field(default="", name="class")
    custom_details: dict[str, Any] = {}


class PagerDutyEvent(_Strict):
    routing_key: Annotated[str, msgspec.Meta(min_length=32, max_length=32)]
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    payload: PagerDutyPayload | None = None
    client: str = ""
    client_url: str = ""
    links: list[dict[str, str]] = []


class OpsgenieAlert(_Strict):
    message: Annotated[str, msgspec.Meta(min_length=1, max_length=130)]
    alias: Annotated[str, msgspec.Meta(max_length=512)]
    description: Annotated[str, msgspec.Meta(max_length=15_000)]
    source: Annotated[str, msgspec.Meta(max_length=100)]
    entity: Annotated[str, msgspec.Meta(max_length=512)]
    priority: Literal["P1", "P2", "P3", "P4", "P5"]
    details: dict[str, str]
    tags: list[str] = []


class OpsgenieNote(_Strict):
    source: Annotated[str, msgspec.Meta(max_length=100)]
    note: Annotated[str, msgspec.Meta(max_length=25_000)]


class TeamsBlock(_Strict):
    type: Literal["TextBlock"]
    text: Text
    wrap: bool = False
    weight: Literal["Lighter", "Default", "Bolder"] = "Default"
    color: Literal["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"] = "Default"


class TeamsCard(_Strict):
    type: Literal["AdaptiveCard"]
    version: Literal["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]
    body: list[TeamsBlock]
    schema: str = msgspec.field(default="", name="$schema")
    actions: list[dict[str, str]] = []


class TeamsAttachment(_Strict):
    contentType: Literal["application/vnd.microsoft.card.adaptive"]
    content: TeamsCard


class TeamsMessage(_Strict):
    type: Literal["message"]
    attachments: list[TeamsAttachment]


class OwnAlert(_Strict):
    version: Literal[1]
    alert: dict[str, Any]


_KEY: Final = "0123456789abcdef0123456789abcdef"
#: What comes to a path, and how the receiver says yes.
_TAKES: Final[dict[str, tuple[str, type[_Strict], Reply]]] = {
    "/slack/chat.postMessage": ("slack", SlackMessage, Reply(200, b'{"ok":true,"channel":"C1","ts":"1.5"}')),
    "/slack/chat.update": ("slack", SlackMessage, Reply(200, b'{"ok":true,"channel":"C1","ts":"1.5"}')),
    "/pagerduty/v2/enqueue": ("pagerduty", PagerDutyEvent, Reply(202, b'{"status":"success"}')),
    "/opsgenie/v2/alerts": ("opsgenie", OpsgenieAlert, Reply(202, b'{"result":"Request will be processed"}')),
    "/teams": ("teams", TeamsMessage, Reply(202)),
    "/hook": ("webhook", OwnAlert, Reply(204)),
    "/alertmanager": ("alertmanager", _Strict, Reply(200)),
}


class Receivers:
    """All of them, at one address.

    :ivar wrong: what one of them would have refused, and why.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.server = HttpServer(self._answer)
        self._taken: dict[str, list[Any]] = defaultdict(list)

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["Receivers"]:
        """While the block runs."""
        receivers = cls()
        with receivers.server.running():
            yield receivers

    def taken(self, name: str) -> list[Any]:
        """Bodies that came to one of them so far."""
        return list(self._taken[name])

    def texts(self, name: str) -> list[str]:
        """The same as text."""
        return [json.dumps(body, ensure_ascii=False) for body in self.taken(name)]

    def targets(self, folder: Path) -> list[dict[str, Any]]:
        """For ``alerts.targets``; files with secrets are made in the folder."""
        url = self.server.url
        for name, secret in (("key", _KEY), ("teams.url", f"{url}/teams")):
            (folder / name).write_text(secret)
        key = str(folder / "key")
        settings: dict[str, dict[str, str]] = {
            "slack": {"token_file": key, "channel": "C1", "url": f"{url}/slack"},
            "pagerduty": {"routing_key_file": key, "url": f"{url}/pagerduty"},
            "opsgenie": {"api_key_file": key, "url": f"{url}/opsgenie"},
            "teams": {"webhook_file": str(folder / "teams.url")},
            "webhook": {"url": f"{url}/hook", "secret_file": key},
        }
        return [{"name": name, "settings": each} for name, each in settings.items()]

    def _answer(self, post: Post) -> Reply:
        path = post.path.partition("?")[0]
        note = path.startswith("/opsgenie/v2/alerts/") and path.endswith(("/notes", "/close"))
        name, kind, reply = (
            ("opsgenie", OpsgenieNote, Reply(202)) if note else _TAKES.get(path, ("", _Strict, Reply(404)))
        )
        try:
            if name != "alertmanager":
                msgspec.json.decode(post.body, type=kind)
        except msgspec.DecodeError as error:
            self.wrong.append(f"{post.path}: {error}")
            return Reply(400)
        if not name:
            self.wrong.append(f"{post.path}: nobody is there")
        self._taken[name].append(json.loads(post.body))
        return reply
