"""Opsgenie and Jira Service Management: the Alert API, by alias."""

from typing import ClassVar, Final

from alerts.posting import Poster, checked_url, secret_of
from model.alert import Alert, cut
from model.settings import PluginConfig

#: Characters that the API takes.
_MESSAGE: Final = 130
_DESCRIPTION: Final = 15_000
_PRIORITIES: Final = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}


class OpsgenieConfig(PluginConfig, frozen=True):
    """Where alerts go.

    :param api_key_file: file with the key of an API integration.
    :param url: of the API: ``https://api.eu.opsgenie.com`` for Europe, ``https://api.atlassian.com/jsm/ops/integration``
        for Jira Service Management.
    """

    api_key_file: str
    url: str = "https://api.opsgenie.com"

    def __post_init__(self) -> None:
        checked_url(self.url)


class Opsgenie:
    """Opens and closes an alert at Opsgenie or Jira Service Management; changes are notes of it."""

    Config: ClassVar[type[PluginConfig]] = OpsgenieConfig
    idempotent: ClassVar[bool] = True

    def __init__(self, config: OpsgenieConfig) -> None:
        self._config = config
        self._poster = Poster("Opsgenie")
        self._headers: dict[str, str] = {}

    async def open(self) -> None:
        """:raises UsageError: if the file with the key cannot be read."""
        key = secret_of(self._config.api_key_file, "api_key_file of opsgenie")
        self._poster.keep_secret(key)
        self._headers = {"Authorization": f"GenieKey {key}"}
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """An alert of an alias that is open is counted there, and changes nothing: so updates are notes.

        :param receipt: ``open`` once it was opened.
        :raises AlertError: if it was not taken.
        """
        alerts = f"{self._config.url.rstrip('/')}/v2/alerts"
        note = {"source": "Tailrace", "note": cut(alert.text, _DESCRIPTION)}
        by_alias = "identifierType=alias"
        if alert.event == "resolve":
            await self._poster.post(f"{alerts}/{alert.key}/close?{by_alias}", note, self._headers)
            return ""
        if receipt:
            await self._poster.post(f"{alerts}/{alert.key}/notes?{by_alias}", note, self._headers)
            return receipt
        body = {
            "message": cut(alert.short, _MESSAGE),
            "alias": alert.key,
            "description": cut(alert.text, _DESCRIPTION),
            "source": "Tailrace",
            "entity": cut(alert.subject, 512),
            "priority": _PRIORITIES[alert.severity],
            "details": {**alert.where, "symptom": alert.symptom, "link": alert.link},
        }
        await self._poster.post(alerts, body, self._headers)
        return "open"

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()
