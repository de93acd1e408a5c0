"""Slack: with a token one message for each incident, changed in place, its changes in a thread; or a webhook."""

from typing import Any, ClassVar, Final

import msgspec

from alerts.posting import Poster, checked_url, secret_of
from model.alert import Alert, cut
from model.alert_target import AlertError
from model.settings import PluginConfig

#: Characters that a section of a message takes.
_SECTION: Final = 3000
_HEADLINE: Final = 600
_SIGNS: Final = {"open": ":red_circle:", "update": ":large_orange_circle:", "resolve": ":large_green_circle:"}
#: Answers of the API after which the same message may be sent again.
_BUSY: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"}
)


class SlackConfig(PluginConfig, frozen=True):
    """Where messages go: a channel with a token, or a webhook.

    :param token_file: file with a bot's token (scope ``chat:write``).
    :param channel: the channel's id.
    :param webhook_file: file with the URL of an incoming webhook, in place of both: each state is a message then.
    :param url: of the API.
    """

    token_file: str = ""
    channel: str = ""
    webhook_file: str = ""
    url: str = "https://slack.com/api"

    def __post_init__(self) -> None:
        checked_url(self.url)
        if bool(self.token_file) == bool(self.webhook_file) or bool(self.token_file) != bool(self.channel):
            raise ValueError("give token_file and channel, or webhook_file")


class Slack:
    """Writes to a channel of Slack: one message for each incident, and its changes in the message's thread."""

    Config: ClassVar[type[PluginConfig]] = SlackConfig

    def __init__(self, config: SlackConfig) -> None:
        self._config = config
        self._poster = Poster("Slack")
        self._secret = ""

    async def open(self) -> None:
        """:raises UsageError: if the file with the secret cannot be read."""
        config = self._config
        self._secret = secret_of(config.token_file or config.webhook_file, "the secret of slack")
        self._poster.keep_secret(self._secret)
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """:param receipt: channel and time of the message, by which Slack knows it.

        :raises AlertError: if it was not taken.
        """
        message = _message(alert)
        if self._config.webhook_file:
            await self._poster.post(self._secret, message)
            return receipt
        if not receipt:
            said = await self._call("chat.postMessage", {"channel": self._config.channel, **message})
            return f"{said['channel']} {said['ts']}"
        channel, at = receipt.split(" ")
        await self._call("chat.update", {"channel": channel, "ts": at, **message})
        change: dict[str, Any] = {
            "channel": channel,
            "thread_ts": at,
            "text": _escaped(f"{alert.event}: {alert.short}"),
        }
        if alert.event == "open":  # it is back: the channel hears of it, as of a new one
            change["reply_broadcast"] = True
        await self._call("chat.postMessage", change)
        return receipt

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()

    async def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a method answers; it says no with the status 200."""
        headers = {
            "Authorization": f"Bearer {self._secret}",
            "Content-Type": "application/json; charset=utf-8",
        }
        answer = await self._poster.post(f"{self._config.url.rstrip('/')}/{method}", body, headers)
        try:
            said = msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise self._poster.refused("no JSON in the answer") from None
        if said.get("ok"):
            return said
        why = str(said.get("error"))
        if why in _BUSY:
            raise AlertError(f"Slack answered {why}", "alerts wait until it takes them", retryable=True)
        raise self._poster.refused(why)


def _message(alert: Alert) -> dict[str, Any]:
    link = f"\n<{alert.link}|The incident in Tailrace>" if alert.link else ""
    headline, *told = alert.lines or [alert.short]
    body = cut(_escaped("\n".join(told)), _SECTION - len(link)) + link
    return {
        "text": _escaped(f"{alert.event}: {alert.short}"),
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": f"{_SIGNS[alert.event]} *{cut(_escaped(headline), _HEADLINE)}*",
                },
            },
            *(
                [{"type": "section", "text": {"type": "mrkdwn", "text": body.lstrip()}}]
                if body.strip()
                else ()
            ),
        ],
    }


def _escaped(text: str) -> str:
    """Without characters that Slack reads as markup of links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
