"""Where the rows of ``tailrace top`` come from: this machine's kernel, or NATS."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

import msgspec

from engine.commands.process import give_memory_back
from engine.commands.signals import obey_signals
from engine.commands.top.app import TopApp
from engine.commands.top.board import batch_part, rows_parts
from engine.commands.top.pages import KINDS
from engine.config import BusConfig, Config, unwatched
from engine.nats.address import connection_of
from engine.nats.connection import NatsConnection
from engine.nats.heartbeats import last_heartbeats
from engine.nats.row_reader import RowRequest, show_rows
from model.batch import Batch
from model.errors import TailraceError
from model.kind import Kind
from model.kinds import public_named
from model.kinds.ledger import LEDGER
from model.settings import PluginConfig
from model.tasks import end
from sinks.configured import ConfiguredSink
from sinks.console.summary import losses

#: Seconds between looks at what nodes have lost.
_LOSSES_SECONDS: Final = 5.0
#: Seconds of rows that are shown at once.
_BEFORE_SECONDS: Final = 5.0


class TopSink:
    """Gives batches to the program, which runs in another thread."""

    Config: ClassVar[type[PluginConfig]] = PluginConfig
    ledgers: ClassVar[bool] = True

    def __init__(self, app: TopApp) -> None:
        self._app = app
        self._loop = asyncio.get_running_loop()

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Nothing to open: the program has the terminal already."""

    async def write(self, batch: Batch) -> None:
        """Hand on."""
        with suppress(RuntimeError):  # the program has ended
            if batch.kind is LEDGER:
                self._loop.call_soon_threadsafe(self._app.lose, batch.node, losses_text(batch.head["stages"]))
            else:
                self._loop.call_soon_threadsafe(self._app.board.add, batch_part(batch))

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def close(self) -> None:
        """The program ends by itself."""


def losses_text(ledger: Mapping[str, Any]) -> str:
    """What a node has lost, the most first; empty if nothing was."""
    return ", ".join(f"{loss.stage} {loss.reason} {loss.count} {loss.unit}" for loss in losses(ledger))


async def here(app: TopApp, config: Config) -> None:
    """This machine's connections, until the program is left.

    :raises TailraceError: if the kernel cannot be watched.
    """
    from engine import graphs
    from engine.plugins.probes import select
    from probes.checks.capabilities import require

    if not config.bus.url.startswith("memory://"):
        config = msgspec.structs.replace(config, bus=BusConfig())
    config = unwatched(config)
    require(select(config))
    role = graphs.run(config, {"top": ConfiguredSink(TopSink(app), KINDS, title="top")})
    give_memory_back()
    obey_signals(role)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, role.stop)  # its terminal is gone
    await _beside(app, role.run)


async def nodes(app: TopApp, url: str) -> None:
    """All nodes' connections, as engines publish them.

    :raises TailraceError: if the server is not there or refuses this client.
    """
    connection = connection_of(url)

    async def follow() -> None:
        await asyncio.gather(_losses(app, connection), *(_rows(app, connection, kind) for kind in KINDS))

    await _beside(app, follow)


async def _rows(app: TopApp, connection: NatsConnection, kind: Kind) -> None:
    def show(rows: Any) -> None:
        for part in rows_parts(kind, rows):
            app.board.add(part)

    public, begin = public_named(kind.plural), time.time() - _BEFORE_SECONDS
    assert public is not None
    await show_rows(connection, RowRequest(public, list, None, follow=True, since=begin), show, app.note)


async def _losses(app: TopApp, connection: NatsConnection) -> None:
    while True:
        with suppress(TailraceError):  # the rows say that the server is away
            for stored in await last_heartbeats(connection, ()):
                app.lose(stored.heartbeat.node, losses_text(stored.heartbeat.ledger))
        await asyncio.sleep(_LOSSES_SECONDS)


async def _beside(app: TopApp, work: Any) -> None:
    """The program and what feeds it: when one of them ends, both do."""
    feeding = asyncio.create_task(work())
    feeding.add_done_callback(lambda _: app.exit())
    try:
        await app.run_async()
    finally:
        await end(feeding)
    if not feeding.cancelled():
        feeding.result()
