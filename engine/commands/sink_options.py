"""``--sink`` and ``--stage``: where rows go, and which."""

import argparse
from typing import TYPE_CHECKING

from engine.config import Config, SinkConfig
from model.row_stage import ROW_STAGES, RowStage

if TYPE_CHECKING:
    from model.sink import Sink


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
        choices=ROW_STAGES,
        help="connections, with both ends of each; what each socket reported; or who talks to whom, summed up "
        "(default: flows)",
    )


def chosen_stage(config: Config, options: argparse.Namespace) -> RowStage:
    """That of the command line, else the configured one."""
    stage: RowStage = options.stage or config.stage
    return stage


def chosen_sinks(
    config: Config, options: argparse.Namespace, otherwise: list[SinkConfig]
) -> "tuple[dict[str, Sink], dict[str, RowStage]]":
    """Those of the command line, or ``otherwise``, and which rows each gets: ``--stage`` goes before its own.

    :raises UsageError: if one does not exist, is set wrongly, or does not take rows of this stage.
    """
    from engine.plugins.sinks import make_sinks, sink_from_argument

    stage = chosen_stage(config, options)
    given = [(*sink_from_argument(argument), stage, "$") for argument in options.sink]
    configured = [
        (sink.name, sink.settings, options.stage or sink.stage or stage, f"$.sinks[{place}].settings")
        for place, sink in enumerate(otherwise)
    ]
    return make_sinks(given or configured)
