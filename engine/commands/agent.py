"""``tailrace agent``: the node's half of a distributed installation."""

import argparse
import asyncio
from typing import Any

from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.process import give_memory_back, run_for, seconds
from engine.commands.reload import reload_on_hangup
from engine.commands.signals import obey_signals, outlive_hangups
from engine.config import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "agent", parents=[common], help="watch this machine's connections and publish them on NATS"
    )
    add_nats_option(parser)
    parser.add_argument("--duration", type=seconds, metavar="S", help="stop after so many seconds")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Runs until a signal or the duration."""
    outlive_hangups()
    from engine import graphs
    from engine.plugins.probes import select
    from probes.checks.capabilities import require
    from probes.kernel_source import KernelSource

    url = nats_url(config, options)
    selection = select(config)
    require(selection)

    async def run() -> None:
        role = graphs.agent(config, url, KernelSource(selection))
        give_memory_back()  # once the tables are there: untouched, they take no memory
        obey_signals(role)
        reload_on_hangup(role, config, options)
        await run_for(options.duration, role)

    asyncio.run(run())
    return 0
