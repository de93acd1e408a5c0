"""A webhook: the alert as JSON, signed."""

from collections.abc import Callable
from time import time
from typing import ClassVar

import msgspec

from alerts.posting import Poster, checked_url, secret_of
from model.alert import Alert
from model.settings import PluginConfig
from sinks.webhook import ID, SIGNATURE, signature


class AlertWebhookConfig(PluginConfig, frozen=True):
    """Where alerts are posted.

    :param url: ``https://…``, without a secret in it.
    :param secret_file: file with the secret with which each request is signed; empty: it is not.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    url: str
    secret_file: str = ""
    ca: str = ""

    def __post_init__(self) -> None:
        checked_url(self.url)


class AlertWebhook:
    """Posts each state of an incident as JSON to a URL, with a signature that proves who sent it."""

    Config: ClassVar[type[PluginConfig]] = AlertWebhookConfig
    idempotent: ClassVar[bool] = True

    def __init__(self, config: AlertWebhookConfig, clock: Callable[[], float] = time) -> None:
        self._config = config
        self._clock = clock
        self._poster = Poster("the webhook", config.ca)
        self._secret = ""

    async def open(self) -> None:
        """:raises UsageError: if a file cannot be read."""
        if self._config.secret_file:
            self._secret = secret_of(self._config.secret_file, "secret_file of webhook")
            self._poster.keep_secret(self._secret)
        await self._poster.open()

    async def send(self, alert: Alert, receipt: str) -> str:
        """:raises AlertError: if it was not taken."""
        body = msgspec.json.encode({"version": 1, "alert": alert})
        headers = {ID: alert.id}
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, int(self._clock()), body)
        await self._poster.post(self._config.url, body, headers)
        return receipt

    async def close(self) -> None:
        """Disconnect."""
        await self._poster.close()
