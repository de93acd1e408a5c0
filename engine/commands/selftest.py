"""``tailrace selftest``."""

import argparse
from typing import Any

from engine.config import Config, unwatched
from engine.role import Role
from model.kinds.delta import DELTA
from model.sink import Sink
from sinks.configured import ConfiguredSink


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "selftest", parents=[common], help="make known traffic and compare it with what is reported"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--quick", action="store_true", help="less traffic: 6 seconds instead of 10")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """0 if everything is exact, else 1."""
    from engine import graphs
    from engine.plugins.probes import select
    from probes.checks.capabilities import require
    from selftest.run import run_selftest

    def pipeline(sink: Sink) -> Role:
        return graphs.run(unwatched(config), {"selftest": ConfiguredSink(sink, [DELTA])})

    require(select(config))
    return run_selftest(pipeline, options.output, "quick" if options.quick else "full", config.udp.enabled)
