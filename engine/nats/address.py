"""A ``nats://`` URL as people write it: read, and looked through for secrets."""

from typing import Final

from yarl import URL

from engine.nats.connection import NatsConnection
from engine.nats.settings import LogSettings, settings_of
from model.errors import UsageError
from model.settings import UrlSecret

#: Where NATS is unless somebody says otherwise.
DEFAULT_URL: Final = "nats://localhost:4222"

#: What is secret in such a URL.
NATS_SECRETS: Final = UrlSecret("password", "token")


def parse_url(url: str) -> tuple[LogSettings, NatsConnection]:
    """The log and the connection that ``url`` asks for; several URLs with ``;`` between name servers of one cluster.

    :raises UsageError: if it is no URL of NATS, a key is unknown or a file missing; no secret is in the error.
    """
    return settings_of(_urls(url))


def connection_of(url: str) -> NatsConnection:
    """The connection that ``url`` asks for; raises as ``parse_url`` does."""
    return parse_url(url)[1]


def holds_secret(url: str) -> bool:
    """Whether a password or a token stands in ``url``.

    :raises UsageError: if it is no URL of NATS.
    """
    _urls(url)
    return any(NATS_SECRETS.parts(url))


def _urls(text: str) -> list[URL]:
    try:
        urls = [URL(part) for part in text.split(";")]
    except ValueError:  # its text may quote the password
        urls = []
    if not urls or any(url.scheme != "nats" or not url.host for url in urls):
        raise UsageError("this is no URL of NATS", f"write it like {DEFAULT_URL}")
    return urls
