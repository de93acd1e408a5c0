"""``tailrace run``: everything in one process."""

import argparse
import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.commands.filter_words import add_filter
from engine.commands.losses import require_some
from engine.commands.process import give_memory_back, run_for, seconds
from engine.commands.reload import reload_on_hangup
from engine.commands.signals import obey_signals, outlive_hangups
from engine.commands.sink_options import add_sink_options, chosen_sinks
from engine.config import BusConfig, Config, SinkConfig
from engine.stored import keeps_map, serves_map, store_sink, watches_trouble
from model.ledger import Ledger

if TYPE_CHECKING:
    from sinks.configured import ConfiguredSink

log = logging.getLogger(__name__)


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser("run", parents=[common], help="watch this machine's connections")
    add_sink_options(parser, "console")
    add_filter(parser)
    parser.add_argument("--duration", type=seconds, metavar="S", help="stop after so many seconds")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Runs until a signal, the duration, or a reader that left; 1 if a sink lost all of its rows."""
    outlive_hangups()
    sinks = _sinks(config, options)  # before what is slow to load
    from engine import graphs
    from engine.plugins.probes import select
    from engine.service.parts import ReloadedSinks
    from probes.checks.capabilities import require

    read = config  # what a reload compares with what it reads then
    if not config.bus.url.startswith("memory://"):
        config = msgspec.structs.replace(config, bus=BusConfig())  # the bus of agents and engines
    require(select(config))
    keeps, why_not = keeps_map(config)
    watches, why_blind = watches_trouble(config)
    looking: Literal["on", "off"] = "on" if watches else "off"
    config = msgspec.structs.replace(config, trouble=msgspec.structs.replace(config.trouble, enabled=looking))
    sinks = _kept(config, sinks, keeps=keeps)

    async def run() -> Ledger:
        reloaded = partial(
            ReloadedSinks, config=config, choose=lambda new: _kept(new, _sinks(new, options), keeps=keeps)
        )
        role = graphs.run(config, sinks, reload=reloaded, serves_map=serves_map(config, keeps=keeps))
        if why_not:
            remedy = "set store.path to a folder of its own, or store.enabled: off"
            log.warning("the map is not kept (%s): %s", why_not, remedy)
        if why_blind:
            remedy = "set trouble.path to a folder of its own, or trouble.enabled: off"
            log.warning("trouble is not looked for (%s): %s", why_blind, remedy)
        give_memory_back()  # once the tables are there: untouched, they take no memory
        obey_signals(role)
        reload_on_hangup(role, read, options)
        await run_for(options.duration, role)
        return role.ledger

    require_some(asyncio.run(run()))
    return 0


def _sinks(config: Config, options: argparse.Namespace) -> "dict[str, ConfiguredSink]":
    """Those that were chosen."""
    return chosen_sinks(config, options, config.sinks or [SinkConfig("console")])


def _kept(config: Config, sinks: "dict[str, ConfiguredSink]", *, keeps: bool) -> "dict[str, ConfiguredSink]":
    """These and, if the map is kept, its store."""
    return sinks | store_sink(config, sinks) if keeps else sinks
