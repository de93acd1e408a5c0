"""Microsoft Teams: an adaptive card to a workflow's URL."""

from typing import Any, ClassVar, Final

from alerts.posting import Poster, secret_of
from model.alert import Alert, cut
from model.settings import PluginConfig

#: Characters of the text: a card may have 28 KB.
_TEXT: Final = 6000
_LINES: Final = 60
_COLOURS: Final = {"open": "Attention", "update": "Warning", "resolve": "Good"}


class TeamsConfig(PluginConfig, frozen=True):
    """Where cards go.

    :param webhook_file: file with the URL of a workflow ("Post to a channel when a webhook request is received").
    """

    webhook_file: str


class Teams:
    """Posts a card to a channel of Microsoft Teams; each state of an incident is one."""

    Config: ClassVar[type[PluginConfig]] = TeamsConfig

    def __init__(self, config: TeamsConfig) -> None:
        self._config = config
        self._poster = Poster("Teams")
        self._url = ""

    async def open(self) -> None:
        """:raises UsageError: if the file with the URL cannot be read."""
        self._url = secret_of(self._config.webhook_file, "webhook_file of teams")
        self._poster.keep_secret(self._url)
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """:raises AlertError: if it was not taken."""
        body: list[dict[str, Any]] = [
            {
                "type": "TextBlock",
                "text": f"{alert.event.upper()}: {alert.lines[0] if alert.lines else alert.short}",
                "weight": "Bolder",
                "color": _COLOURS[alert.event],
                "wrap": True,
            },
            *({"type": "TextBlock", "text": line, "wrap": True} for line in _told(alert)),
        ]
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
        }
        if alert.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "The incident", "url": alert.link}]
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        await self._poster.post(self._url, {"type": "message", "attachments": [attachment]})
        return receipt

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()


def _told(alert: Alert) -> list[str]:
    """What follows on the headline, a block for each line: within a block a card joins them."""
    lines = alert.lines[1:]
    kept = lines if len(lines) <= _LINES else [*lines[: _LINES - 1], "…"]
    return cut("\n".join(kept), _TEXT).splitlines()
