"""Services that have no target of their own, by the library Apprise: a message for each state, sent and forgotten."""

import asyncio
import logging
from typing import Any, ClassVar, Final

from alerts.posting import TIMEOUT_S, secret_of
from model.alert import Alert
from model.alert_target import AlertError
from model.errors import UsageError
from model.extras import extra
from model.settings import PluginConfig

#: Apprise's kinds of messages: by severity while an incident is open.
_KINDS: Final = {"critical": "failure", "error": "failure", "warning": "warning", "info": "info"}


class AppriseConfig(PluginConfig, frozen=True):
    """Where messages go.

    :param url_file: file with one URL of Apprise, such as ``tgram://TOKEN/CHAT``: it holds the secret.
    """

    url_file: str


class Apprise:
    """Tells a service of Apprise's; it says neither why it refused a message nor how to change one."""

    Config: ClassVar[type[PluginConfig]] = AppriseConfig

    def __init__(self, config: AppriseConfig) -> None:
        self._config = config
        self._service: Any = None

    async def open(self) -> None:
        """:raises UsageError: if the library is not installed, or the file holds no URL that it knows."""
        library = extra("apprise", "apprise", "it needs the library apprise")
        # what it logs may have the URL in it
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        url = secret_of(self._config.url_file, "url_file of apprise")
        asset = library.AppriseAsset(app_id="Tailrace", app_desc="Tailrace", service_timeout=TIMEOUT_S)
        self._service = library.Apprise(asset=asset)
        if len(url.split()) != 1 or not self._service.add(url):
            what = f"{self._config.url_file} holds no URL that apprise knows"
            raise UsageError(what, "write one as its page of services says, such as tgram://TOKEN/CHAT")

    async def send(self, alert: Alert, receipt: str) -> str:
        """:raises AlertError: if it was not taken; nobody knows why, so that it comes again."""
        if not await asyncio.to_thread(self._notify, alert):
            raise AlertError(
                "the service did not take it", "check its URL; alerts wait meanwhile", retryable=True
            )
        return receipt

    async def close(self) -> None:
        """Nothing is kept open."""

    def _notify(self, alert: Alert) -> bool:
        """In a thread: the library blocks."""
        return bool(
            self._service.notify(
                title=f"[{alert.event}] {alert.short}",
                body="\n".join([*alert.lines, alert.link]).strip(),
                notify_type="success" if alert.event == "resolve" else _KINDS[alert.severity],
                body_format="text",
            )
        )
