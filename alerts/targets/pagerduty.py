"""PagerDuty: Events API v2, one PagerDuty incident for each of ours."""

from typing import ClassVar, Final

from alerts.posting import Poster, checked_url, iso, secret_of
from model.alert import Alert, cut
from model.settings import PluginConfig

#: Characters that the API takes.
_SUMMARY: Final = 1024


class PagerDutyConfig(PluginConfig, frozen=True):
    """Where events go.

    :param routing_key_file: file with the integration key of a service (Events API v2).
    :param url: of the API; ``https://events.eu.pagerduty.com`` for accounts in Europe.
    """

    routing_key_file: str
    url: str = "https://events.pagerduty.com"

    def __post_init__(self) -> None:
        checked_url(self.url)


class PagerDuty:
    """Opens and resolves an incident at PagerDuty; what comes twice is one there."""

    Config: ClassVar[type[PluginConfig]] = PagerDutyConfig
    idempotent: ClassVar[bool] = True

    def __init__(self, config: PagerDutyConfig) -> None:
        self._config = config
        self._poster = Poster("PagerDuty")
        self._key = ""

    async def open(self) -> None:
        """:raises UsageError: if the file with the key cannot be read."""
        self._key = secret_of(self._config.routing_key_file, "routing_key_file of pagerduty")
        self._poster.keep_secret(self._key)
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """:raises AlertError: if it was not taken."""
        ends = alert.event == "resolve"
        body: dict[str, object] = {
            "routing_key": self._key,
            "event_action": "resolve" if ends else "trigger",
            "dedup_key": alert.key,
        }
        if not ends:
            details = {"message": alert.text, "where": alert.where, "revision": alert.revision}
            body["payload"] = {
                "summary": cut(alert.short, _SUMMARY),
                "source": alert.subject,
                "severity": alert.severity,
                "timestamp": iso(alert.since),
                "component": alert.subject,
                "class": alert.symptom,
                "custom_details": details,
            }
            body["client"] = "Tailrace"
            if alert.link:
                body["links"] = [{"href": alert.link, "text": "The incident in Tailrace"}]
        await self._poster.post(f"{self._config.url.rstrip('/')}/v2/enqueue", body)
        return receipt

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()
