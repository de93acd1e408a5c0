"""What the query of a ``nats://`` URL may say about the log."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from yarl import URL

from engine.nats.connection import KEYS, NatsConnection
from model.errors import UsageError

#: The log of a URL without a path.
DEFAULT_LOG: Final = "tailrace"

#: Partitions of a topic, wherever it is made first.
DEFAULT_PARTITIONS: Final = 8

#: Bytes on their way to one client at which the server takes it for a slow consumer and hangs up.
SERVER_LIMIT: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Limits are those of one partition.

    :param partitions: of topics that do not say how many they want.
    :param lease_seconds: after so long without a sign of life a worker has lost its partitions.
    :param storage: ``file`` or ``memory``; what is in memory ends with the server.
    :param max_messages: None for no limit.
    :param max_age_seconds: records older than that are removed whether they were read or not.
    :param window_bytes: on their way to this client, of all partitions together.
    """

    log: str = DEFAULT_LOG
    partitions: int = DEFAULT_PARTITIONS
    lease_seconds: float = 5.0
    replicas: int = 1
    storage: Literal["file", "memory"] = "file"
    max_messages: int | None = None
    max_bytes: int = 256 << 20
    max_age_seconds: float = 3600.0
    window_bytes: int = 32 << 20


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("give a positive integer")
    return int(text)


def _window(text: str) -> int:
    if _count(text) > SERVER_LIMIT:
        raise ValueError(f"give at most {SERVER_LIMIT}: the server hangs up above it")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 1e9:
        raise ValueError("give seconds, at least 0.5")
    return seconds


def _storage(text: str) -> str:
    if text not in ("file", "memory"):
        raise ValueError("give file or memory")
    return text


_READ: dict[str, Callable[[str], Any]] = {
    "partitions": _count,
    "lease_seconds": _seconds,
    "replicas": _count,
    "storage": _storage,
    "max_messages": _count,
    "max_bytes": _count,
    "max_age_seconds": _seconds,
    "window_bytes": _window,
}


def settings_of(urls: list[URL]) -> tuple[LogSettings, NatsConnection]:
    """What broker URLs ask for: servers from all of them, the rest from the first.

    :raises UsageError: if a key is unknown or a value wrong; values of unknown keys are not repeated.
    """
    url = urls[0]
    where = f"broker URL {url.scheme}://{url.host}{url.path}"
    known = {field.name for field in fields(LogSettings)} - {"log"} | KEYS
    given: dict[str, Any] = {"log": url.path.strip("/") or DEFAULT_LOG}
    for name, value in url.query.items():
        if name not in known:
            raise UsageError(f"{where}: unknown key {name}", f"use {' or '.join(sorted(known))}")
        if name in _READ:
            try:
                given[name] = _READ[name](value)
            except ValueError as error:
                raise UsageError(f"{where}: {name} is {value!r}", str(error)) from None
    return LogSettings(**given), NatsConnection.from_urls(urls, url.query)
