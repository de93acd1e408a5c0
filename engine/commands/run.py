"""``tailrace run``: everything in one process."""

import argparse
import asyncio
from typing import Any

import msgspec

from engine.commands.process import give_memory_back, run_for, seconds, stop_on_signals
from engine.config import BusConfig, Config, SinkConfig


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser("run", parents=[common], help="watch this machine's connections")
    parser.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help="where rows go; may be given more than once (default: console)",
    )
    parser.add_argument("--duration", type=seconds, metavar="S", help="stop after so many seconds")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Runs until a signal, the duration, or a reader that left."""
    from engine.sink import make_sinks, sink_from_argument
    from engine.topology import Pipeline
    from probes.capabilities import require

    if not config.bus.url.startswith("memory://"):
        config = msgspec.structs.replace(config, bus=BusConfig())  # the bus of agents and engines
    wanted = [sink_from_argument(argument) for argument in options.sink]
    configured = config.sinks or [SinkConfig("console")]
    sinks = make_sinks(wanted or [(sink.name, sink.settings) for sink in configured])
    require(config.tcp)

    async def run() -> None:
        pipeline = Pipeline(config, sinks)
        stop_on_signals(pipeline.stop)
        await run_for(options.duration, pipeline)

    give_memory_back()
    asyncio.run(run())
    return 0
