"""``tailrace serve``: the map of a store that others write."""

import argparse
import asyncio
from typing import Any

from engine.commands.incident_place import add_bus, bus_of, kept_by_run
from engine.commands.process import run_for, seconds
from engine.commands.signals import obey_signals, outlive_hangups
from engine.config import Config
from engine.stored import open_store, replaced


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "serve", parents=[common], help="serve the map of a store that others write: API and page"
    )
    parser.add_argument(
        "--store",
        metavar="PLACE",
        help="the store to read: folder, or clickhouse:// and a host (default: store.path or store.url)",
    )
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="where (default: web.listen)")
    add_bus(parser)
    parser.add_argument("--duration", type=seconds, metavar="S", help="stop after so many seconds")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Serves until a signal, or for the duration."""
    outlive_hangups()
    config = replaced(config, options.store, options.listen)
    store = open_store(config.store)
    bus = bus_of(config, options) if options.nats is not None or not kept_by_run(config) else ""
    from engine import graphs

    async def run() -> None:
        role = graphs.serve(config, store, bus)
        obey_signals(role)
        await run_for(options.duration, role)

    asyncio.run(run())
    return 0
