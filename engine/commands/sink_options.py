"""``--sink`` and ``--stage``: where rows go, and which."""

import argparse
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.config import Config, SinkConfig

if TYPE_CHECKING:
    from sinks.configured import ConfiguredSink


def add_sink_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds them.

    :param default: the sink without ``--sink``, in words.
    """
    parser.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help=f"where rows go; may be given more than once (default: {default})",
    )
    parser.add_argument(
        "--stage",
        metavar="ROWS",
        help="flows: connections, with both ends of each; deltas: what each socket reported; workloads: who talks to "
        "whom, summed up; requests, endpoints: of HTTP and gRPC; queries: of DNS; drops: packets that the kernel "
        "dropped, and why; listeners: their accept queues; or rows of a plug-in. Several "
        "with commas between them (default: flows)",
    )


def chosen_stage(config: Config, options: argparse.Namespace) -> str:
    """That of the command line, else the configured one."""
    stage: str = options.stage or config.stage
    return stage


def chosen_sinks(
    config: Config, options: argparse.Namespace, otherwise: list[SinkConfig]
) -> "dict[str, ConfiguredSink]":
    """Those of the command line, or ``otherwise``; ``--stage`` goes before the stage of each.

    :raises UsageError: if one does not exist, is set wrongly, or does not take rows of this stage.
    """
    from engine.plugins.probes import select
    from engine.plugins.sinks import make_sinks, sink_from_argument

    select(config)  # probes of other packages make rows of their own kinds
    stage, words = chosen_stage(config, options), " ".join(getattr(options, "filter", ()))
    if options.sink:
        given = [SinkConfig(*sink_from_argument(argument)) for argument in options.sink]
        return make_sinks(given, stage, stage_from=_from(options), words=words)
    wanted = [replace(sink, stage="") for sink in otherwise] if options.stage else otherwise
    return make_sinks(wanted, stage, "$.sinks", _from(options), words)


def _from(options: argparse.Namespace) -> str:
    """Where the stage of all sinks was given, for errors."""
    return "--stage" if options.stage else "$.stage"
