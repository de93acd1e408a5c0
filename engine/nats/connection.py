"""A connection to NATS: where, as whom, under which TLS. Secrets stay out of logs, reprs and errors."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import nats.aio.client
import nats.errors
import nkeys  # type: ignore[import-untyped]  # ships no types
from nats.aio.client import Client
from yarl import URL

from model.errors import TailraceError, UsageError

#: Port of a server unless the URL names one.
DEFAULT_PORT = 4222

#: Seconds a server has to answer while connecting.
CONNECT_TIMEOUT = 2

#: Seconds between the pings that find a dead connection; it is given up after two without an answer.
PING_INTERVAL = 5

#: Bytes that the client reads at once, for which it has no setting. With its own 32 kB a message of a second takes
#: five turns of the loop: a tenth of what an engine does with 10,000 rows in 16 messages.
nats.aio.client.DEFAULT_BUFFER_SIZE = 256 << 10

#: Why a connection that has to be encrypted fails at a server that does not encrypt.
NO_TLS = "the server offers no TLS"

#: Words by which a server refuses credentials.
_REFUSALS = ("authorization", "authentication")

#: What a callback of the connection looks like.
Notice = Callable[[], Awaitable[None]]


class ConnectionRefused(TailraceError):
    """The server is not there, or does not want this client. A retry makes sense only for ``absent``."""

    def __init__(self, what: str, remedy: str, *, absent: bool = False) -> None:
        super().__init__(what, remedy)
        self.absent = absent


@dataclass(frozen=True, slots=True)
class NatsConnection:
    """How to reach NATS. ``servers`` are ``host:port``; files are PEM, or what ``nsc`` writes.

    :param credentials: file with a user's JWT and seed.
    :param nkey_seed: file with a user's seed.
    """

    servers: tuple[str, ...] = (f"localhost:{DEFAULT_PORT}",)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    credentials: Path | None = None
    nkey_seed: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        if self.password is not None and self.user is None:
            raise UsageError("NATS: a password without a user", "give user as well")
        if self.tls_key is not None and self.tls_cert is None:
            raise UsageError("NATS: tls_key without tls_cert", "give tls_cert as well")
        ways = [
            name for name in ("user", "token", "credentials", "nkey_seed") if getattr(self, name) is not None
        ]
        if len(ways) > 1:
            raise UsageError(f"NATS: {' and '.join(ways)} at once", "give one of them")
        for name in _FILES:
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise UsageError(f"NATS: {name}: there is no file {path}", "give the path of the file")

    @classmethod
    def from_urls(cls, urls: list[URL], query: Mapping[str, str]) -> Self:
        """The connection that broker URLs ask for; ``query`` has the keys of ``KEYS`` that were given.

        :raises UsageError: if the parts contradict each other, or a file is missing.
        """
        given: dict[str, Any] = {
            name: Path(value) if name in _FILES else value for name, value in query.items() if name in KEYS
        }
        for name, value in (("user", urls[0].user), ("password", urls[0].password)):
            if value is not None:
                given.setdefault(name, value)
        servers = tuple(f"{_bracketed(url.host or 'localhost')}:{url.port or DEFAULT_PORT}" for url in urls)
        return cls(servers=servers, **given)

    @property
    def tls(self) -> bool:
        """Whether nothing may be sent before the connection is encrypted."""
        return any(getattr(self, name) is not None for name in ("tls_ca", "tls_cert"))

    def ssl_context(self) -> ssl.SSLContext | None:
        """What to check of the server and show of oneself.

        :raises UsageError: if a file cannot be used.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except (ssl.SSLError, OSError):
            raise UsageError(
                "NATS: the TLS files are no PEM certificates and key", "check tls_ca, tls_cert, tls_key"
            ) from None
        return context


_FILES = ("credentials", "nkey_seed", "tls_ca", "tls_cert", "tls_key")

#: What a broker URL may say about the connection in its query.
KEYS = frozenset(one.name for one in fields(NatsConnection)) - {"servers"}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Client(Client):
    """Ends in good order when its connection is lost and it is not to come back by itself; pings in turn."""

    async def _process_op_err(self, e: Exception) -> None:
        if not self.options["allow_reconnect"]:
            # Bytes that cannot be sent any more: to send them would fail, and the rest of the end be left out, with
            # the callback and the tasks of subscriptions.
            self._pending, self._pending_data_size = [], 0
        await super()._process_op_err(e)

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        """Send what waits before the ping, so that its answer comes after what the server says to that.

        The client itself sends a ping at once, past the messages that it still keeps: ``flush`` then returned
        before the server had read them.
        """
        if self.is_connected and self._pending:
            assert self._transport is not None
            self._transport.writelines(self._pending)
            self._pending, self._pending_data_size = [], 0
        await super()._send_ping(future)


class _TlsClient(_Client):
    """Says nothing, least of all a password, to a server that does not encrypt."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and not info.get("tls_required"):
            raise ssl.SSLError(NO_TLS)
        await super()._process_info(info, initial_connection)


async def connect(
    settings: NatsConnection,
    *,
    name: str = "tailrace",
    reconnect: bool = True,
    on_error: Callable[[Exception], None] = lambda _: None,
    on_closed: Notice | None = None,
) -> Client:
    """Connect once, quickly.

    :param name: shown in the monitoring of the server.
    :param reconnect: whether the client comes back by itself, for ever, once it was connected.
    :param on_error: called with errors that need no action.
    :param on_closed: called when the connection is gone for good.
    :raises ConnectionRefused: if no server can be reached, or it refuses the credentials or the TLS.
    :raises UsageError: if the files of ``settings`` cannot be used.
    """
    arguments = _arguments(settings, name)
    client = _TlsClient() if settings.tls else _Client()
    trouble: list[Exception] = []

    async def note(error: Exception) -> None:
        trouble.append(error)
        on_error(error)

    try:
        await client.connect(**arguments, allow_reconnect=False, error_cb=note, closed_cb=on_closed)
    except (OSError, nats.errors.Error, TimeoutError, ValueError, nkeys.NkeysError) as error:
        await _abandon(client)
        raise _explained(settings, [*trouble, error]) from None
    except BaseException:
        await _abandon(client)
        raise
    client.options.update(allow_reconnect=reconnect, max_reconnect_attempts=-1, reconnect_time_wait=0.5)
    return client


def _arguments(settings: NatsConnection, name: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "servers": [f"nats://{server}" for server in settings.servers],
        "name": name,
        "tls": settings.ssl_context(),
        "connect_timeout": CONNECT_TIMEOUT,
        "reconnect_time_wait": 0.05,
        "max_reconnect_attempts": 1,
        "ping_interval": PING_INTERVAL,
        "user": settings.user,
        "password": settings.password,
        "token": settings.token,
        "user_credentials": str(settings.credentials) if settings.credentials else None,
        "nkeys_seed": str(settings.nkey_seed) if settings.nkey_seed else None,
    }
    return {key: value for key, value in arguments.items() if value is not None}


async def _abandon(client: Client) -> None:
    """Close what a failed attempt left open."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await client.close()
    except (OSError, nats.errors.Error, TimeoutError, AssertionError):
        # The client asserts that it got as far as to have something to close.
        return


def _explained(settings: NatsConnection, trouble: list[Exception]) -> ConnectionRefused:
    """The error that says what to do; nothing of the originals is quoted, as it may hold secrets."""
    where = f"NATS at {', '.join(settings.servers)}"
    if any(word in str(error).lower() for error in trouble for word in _REFUSALS):
        return ConnectionRefused(
            f"{where} refuses the credentials", "check user and password, token, credentials or nkey_seed"
        )
    tls = [error for error in trouble if isinstance(error, ssl.SSLError)]
    if tls:
        reason = getattr(tls[-1], "verify_message", "") or getattr(tls[-1], "reason", "") or NO_TLS
        return ConnectionRefused(
            f"{where}: TLS failed ({reason})",
            "check tls_ca, tls_cert and tls_key, and the name of the server",
        )
    if any(isinstance(error, ValueError | nkeys.NkeysError) for error in trouble):
        return ConnectionRefused(f"{where}: the credentials cannot be read", "check credentials or nkey_seed")
    return ConnectionRefused(
        f"{where} is not reachable", "start nats-server, or correct the address", absent=True
    )
