"""The NATS sink: publishes flows, or workloads, for whoever subscribes (``docs/subjects.md``)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from nats.aio.client import Client

from engine.nats.address import DEFAULT_URL, NATS_SECRETS, connection_of
from engine.nats.connection import ConnectionRefused, connect
from engine.nats.public_bus import PublicBus
from engine.nats.stream_reader import StreamReader
from model.batch import Batch
from model.errors import SinkError, TailraceError, UsageError
from model.kind import Kind
from model.kinds import kinds
from model.public import row_parts
from model.settings import PluginConfig
from sinks.limits import Limits, RetryLimits


class NatsConfig(PluginConfig, frozen=True):
    """Where rows are published; ``--sink nats:URL`` sets the URL.

    :param url: URL of the server, with the query keys of the bus (credentials, TLS).
    :param max_age: seconds for which they are kept.
    :param max_bytes: bytes kept at most; the oldest rows make room.
    """

    url: Annotated[str, NATS_SECRETS] = DEFAULT_URL
    max_age: Annotated[float, msgspec.Meta(ge=1, le=1e9)] = 600
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 256 << 20

    def __post_init__(self) -> None:
        try:
            connection_of(self.url)
        except UsageError as error:
            raise ValueError(str(error)) from None


class PublicKinds:
    """The names of all kinds that have public subjects, also of those that were declared after this module."""

    def __get__(self, instance: object, owner: type) -> Sequence[str]:
        return tuple(kind.name for kind in kinds() if kind.public)


class NatsSink:
    """Publishes rows on NATS, for ``tailrace observe`` and whoever subscribes.

    Waits until the server has acknowledged each batch; a server that went away is looked for at each write.
    """

    Config: ClassVar[type[PluginConfig]] = NatsConfig
    #: Those that have public subjects; deltas have others.
    kinds: ClassVar[Sequence[str]] = PublicKinds()  # type: ignore[assignment]  # a descriptor
    limits: ClassVar[Limits] = Limits(retry=RetryLimits(attempts=0))

    def __init__(self, config: NatsConfig) -> None:
        self._config = config
        self._buses: dict[str, PublicBus] = {}  # by kind: each has a stream of its own

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Connect, and make the streams of the rows.

        :raises SinkError: if the server is not there or refuses this client.
        """
        for kind in kinds:
            await self._connected(kind)

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Connect, and look for the streams of the rows.

        :raises SinkError: if the server is not there or refuses this client.
        """
        connection = connection_of(self._config.url)
        try:
            client = await connect(connection, name="tailrace doctor", reconnect=False)
        except ConnectionRefused as error:
            raise SinkError(error.what, error.remedy, reason="bus_away") from None
        try:
            kept = [kind.plural for kind in kinds if await _keeps(client, kind)]
        finally:
            await client.close()
        listened = [kind.plural for kind in kinds if kind.plural not in kept]
        said = [f"keeps {' and '.join(kept)}"] if kept else []
        said += [f"has no stream of {' and '.join(listened)} yet"] if listened else []
        return f"NATS at {', '.join(connection.servers)} {'; '.join(said)}"

    async def write(self, batch: Batch) -> None:
        """Publish the rows of ``batch``; those that were published before the server went away count once.

        :raises SinkError: retryable as ``bus_away`` if the server does not answer; else with the rows lost.
        """
        if not len(batch):
            return
        bus = await self._connected(batch.kind)
        parts = await asyncio.to_thread(row_parts, batch, bus.max_payload)
        try:
            await bus.publish(parts)
        except SinkError as error:
            if error.retryable:
                await self.close()
            raise
        if large := len(batch) - sum(part.rows for part in parts):
            what = f"{large} rows are larger than a message of NATS"
            raise SinkError(what, "raise max_payload", reason="larger_than_message", lost_rows=large)

    async def flush(self) -> None:
        """Nothing is kept back: the server has acknowledged what was written."""

    async def close(self) -> None:
        """Disconnect."""
        buses, self._buses = self._buses, {}
        for bus in buses.values():
            await bus.close()

    async def _connected(self, kind: Kind) -> PublicBus:
        if kind.name not in self._buses:
            config = self._config
            if kind.public is None:
                rows = kind.plural
                raise SinkError(
                    f"sink nats takes no {rows}", f"leave out --stage {rows}", reason="not_public"
                )
            try:
                bus = await PublicBus.open(
                    connection_of(config.url), kind.public, config.max_age, config.max_bytes
                )
            except ConnectionRefused as error:
                reason = "bus_away" if error.absent else "bus_refused"
                raise SinkError(error.what, error.remedy, reason=reason, retryable=error.absent) from None
            self._buses[kind.name] = bus
        return self._buses[kind.name]


async def _keeps(client: Client, kind: Kind) -> bool:
    """Whether the server has the stream of a kind, as far as this user may know."""
    try:
        return bool(kind.public and await StreamReader(client, kind.public.stream).bounds())
    except TailraceError:
        return False
