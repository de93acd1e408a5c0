"""``tailrace engine``: a worker behind the agents."""

import argparse
import asyncio
from typing import Any

from engine.commands.nats_url import add_nats_option, nats_url
from engine.commands.process import give_memory_back, stop_on_signals
from engine.config import Config, SinkConfig


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "engine", parents=[common], help="take what agents publish on NATS, and hand it to sinks"
    )
    add_nats_option(parser)
    parser.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help="where rows go; may be given more than once (default: nats, the public flows)",
    )
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Runs until a signal."""
    from engine.sink import make_sinks, sink_from_argument
    from engine.worker import Engine

    url = nats_url(config, options)
    wanted = [sink_from_argument(argument) for argument in options.sink]
    configured = config.sinks or [SinkConfig("nats", {"url": url})]
    sinks = make_sinks(wanted or [(sink.name, sink.settings) for sink in configured])

    async def run() -> None:
        engine = Engine(config, url, sinks)
        stop_on_signals(engine.stop)
        await engine.run()

    give_memory_back()
    asyncio.run(run())
    return 0
