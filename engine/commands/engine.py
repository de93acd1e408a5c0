"""``tailrace engine``: a worker behind the agents."""

import argparse
import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.commands.losses import require_some
from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.process import give_memory_back
from engine.commands.reload import reload_on_hangup
from engine.commands.signals import obey_signals, outlive_hangups
from engine.commands.sink_options import add_sink_options, chosen_sinks
from engine.config import Config, SinkConfig
from engine.stored import server_sink
from model.ledger import Ledger

if TYPE_CHECKING:
    from sinks.configured import ConfiguredSink


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "engine", parents=[common], help="take what agents publish on NATS, and hand it to sinks"
    )
    add_nats_option(parser)
    add_sink_options(parser, "nats, the public flows")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Runs until a signal; 1 if a sink lost all of its rows."""
    outlive_hangups()
    url = nats_url(config, options)
    sinks = _sinks(config, options)
    from engine import graphs  # slow: what is wrong with the sinks is said before
    from engine.service.parts import ReloadedSinks

    async def run() -> Ledger:
        reloaded = partial(ReloadedSinks, config=config, choose=lambda read: _sinks(read, options))
        role = graphs.engine(config, url, sinks, reloaded)
        give_memory_back()  # once the tables are there: untouched, they take no memory
        obey_signals(role)
        reload_on_hangup(role, config, options)
        await role.run()
        return role.ledger

    require_some(asyncio.run(run()))
    return 0


def _sinks(config: Config, options: argparse.Namespace) -> "dict[str, ConfiguredSink]":
    """Those that were chosen, and the store of all machines."""
    url = nats_url(config, options)
    sinks = chosen_sinks(config, options, config.sinks or [SinkConfig("nats", {"url": url})])
    return sinks | server_sink(config, sinks)
