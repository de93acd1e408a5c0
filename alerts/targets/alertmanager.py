"""Alertmanager: API v2. It takes an alert for resolved that it is not told again, so that open ones are repeated."""

from collections.abc import Callable
from time import time
from typing import ClassVar, Final

from alerts.posting import Poster, checked_url, iso, secret_of
from model.alert import Alert
from model.settings import PluginConfig

#: Seconds that an alert lives for there: four repetitions may be lost.
_ALIVE_S: Final = 300.0


class AlertmanagerConfig(PluginConfig, frozen=True):
    """Where alerts go.

    :param url: of the server, with its prefix: ``http://alertmanager:9093``.
    :param token_file: file with a bearer token; empty: none.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    url: str
    token_file: str = ""
    ca: str = ""

    def __post_init__(self) -> None:
        checked_url(self.url)


class Alertmanager:
    """Posts alerts to an Alertmanager, which groups, silences and routes them as its configuration says."""

    Config: ClassVar[type[PluginConfig]] = AlertmanagerConfig
    idempotent: ClassVar[bool] = True
    repeat_s: ClassVar[float] = 60.0

    def __init__(self, config: AlertmanagerConfig, clock: Callable[[], float] = time) -> None:
        self._config = config
        self._clock = clock
        self._poster = Poster("Alertmanager", config.ca)
        self._headers: dict[str, str] = {}

    async def open(self) -> None:
        """:raises UsageError: if a file cannot be read."""
        if self._config.token_file:
            token = secret_of(self._config.token_file, "token_file of alertmanager")
            self._poster.keep_secret(token)
            self._headers = {"Authorization": f"Bearer {token}"}
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """Labels never change while an incident is open: Alertmanager would take it for another one.

        :param receipt: the labels that it was opened with.
        :raises AlertError: if it was not taken.
        """
        subject, symptom, severity = (
            receipt.split("\n") if receipt else (alert.subject, alert.symptom, alert.severity)
        )
        now = self._clock()
        ends = now if alert.event == "resolve" else now + _ALIVE_S
        message = {
            "labels": {
                "alertname": "TailraceIncident",
                "incident": alert.key,
                "subject": subject,
                "symptom": symptom,
                "severity": severity,
            },
            "annotations": {"summary": alert.short, "description": alert.text, "link": alert.link},
            "startsAt": iso(alert.since),
            "endsAt": iso(max(ends, alert.since)),
        }
        if alert.link:
            message["generatorURL"] = alert.link
        await self._poster.post(f"{self._config.url.rstrip('/')}/api/v2/alerts", [message], self._headers)
        return "\n".join((subject, symptom, severity))

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()
