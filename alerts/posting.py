"""Posts of JSON to a target, and what its answers mean for the alert."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from model.alert_target import AlertError
from model.errors import SinkError, UsageError
from model.settings import hidden
from sinks.http.client import RETRYABLE, Answer, HttpClient, Tls, wait_seconds

#: Seconds for one request.
TIMEOUT_S: Final = 10.0


class Poster:
    """One target's server.

    :param target: what errors call it.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    def __init__(self, target: str, ca: str = "") -> None:
        self._target = target
        self._client = HttpClient(target, TIMEOUT_S, Tls(ca))
        self._secrets: list[str] = []

    async def open(self) -> None:
        """:raises UsageError: if a file for TLS cannot be read."""
        await self._client.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._client.close()

    def keep_secret(self, *secrets: str) -> None:
        """Never repeat these in an error, also if the server does."""
        self._secrets += secrets

    async def post(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """A good answer.

        :param body: bytes as they are; anything else as JSON.
        :raises AlertError: if there is none.
        """
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        try:
            answer = await self._client.post(
                url, raw, {"Content-Type": "application/json", **(headers or {})}
            )
        except SinkError as error:
            raise AlertError(
                self._without_secrets(error.what), "check the address; alerts wait meanwhile", retryable=True
            ) from None
        if 200 <= answer.status < 300:
            return answer
        said = self._without_secrets(f"{self._target} answered {answer.status} ({answer.text})")
        if answer.status in RETRYABLE:
            pause = wait_seconds(answer.headers.get("Retry-After", ""), datetime.now(UTC).timestamp())
            raise AlertError(said, "alerts wait until it takes them", retryable=True, pause=pause)
        raise AlertError(said, "check its address, its secret and its settings")

    def refused(self, why: str) -> AlertError:
        """For a server that says no in a good answer."""
        return AlertError(self._without_secrets(f"{self._target} refused it ({why})"), "check its settings")

    def _without_secrets(self, text: str) -> str:
        return hidden(text, self._secrets)


def secret_of(path: str, what: str) -> str:
    """What a file holds, without the end of its line.

    :param what: for the error, such as ``token_file of slack``.
    :raises UsageError: if it cannot be read, or is empty.
    """
    try:
        secret = Path(path).read_text().strip()
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read {what}: {path} ({why})", "name a file with the secret in it") from None
    if not secret:
        raise UsageError(f"{what} is empty: {path}", "write the secret into it")
    return secret


def checked_url(url: str, name: str = "url") -> None:
    """:raises ValueError: if it is none of HTTP."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"write {name} as https://HOST/PATH")


def iso(at: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
