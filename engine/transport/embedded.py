"""A Faust app inside a program: nothing of the worker, the web server or the timers of Kafka."""

from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager


class QuietBoot(BootStrategy):
    """Starts no web server and no sensors: the monitor counts events, but its timer does not run."""

    enable_web = False
    enable_sensors = False


class NoTables(TableManager):
    """Starts at once; Faust waits a second for tables to be declared."""

    async def on_start(self) -> None:
        """Announce that there are no tables, and follow rebalances."""
        await self._update_channels()
        await self.recovery.start()


class EmbeddedApp(faust.App):
    """An app that leaves no folder behind and is ready when ``start`` returns."""

    BootStrategy = QuietBoot

    async def on_first_start(self) -> None:
        """Make no folders: they would be for tables."""


def embedded_app(
    name: str,
    broker: str = "memory://",
    *,
    partitions: int = 1,
    in_flight: int = 64,
    commit_interval: float = 0.5,
    **settings: Any,
) -> EmbeddedApp:
    """An app to be used with ``await app.start()`` and ``await app.stop()``.

    :param name: also the name of the group of consumers.
    :param partitions: of topics that do not say how many they want.
    :param in_flight: messages of one topic that may be on their way to agents.
    :param commit_interval: seconds between commits, while there is something to commit and room for more.
    :param settings: further settings of Faust.
    """
    return EmbeddedApp(
        name,
        broker=broker,
        topic_partitions=partitions,
        stream_buffer_maxsize=in_flight,
        broker_commit_interval=commit_interval,
        broker_commit_every=None,
        topic_disable_leader=True,
        value_serializer="raw",
        key_serializer="raw",
        web_enabled=False,
        TableManager=NoTables,
        **settings,
    )
