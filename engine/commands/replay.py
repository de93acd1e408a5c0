"""``tailrace replay``: a recording instead of a kernel."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.commands.filter_words import add_filter
from engine.commands.losses import require_all
from engine.commands.process import give_memory_back
from engine.commands.signals import obey_signals, outlive_hangups
from engine.commands.sink_options import add_sink_options, chosen_sinks
from engine.config import BusConfig, Config, SinkConfig

if TYPE_CHECKING:
    from engine.recording.file import Recording


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser("replay", parents=[common], help="show a recording; needs no root")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--speed", type=speed, default=1.0, metavar="N|max", help="how many times faster than it happened"
    )
    add_sink_options(parser, "console")
    add_filter(parser)
    parser.set_defaults(execute=execute)


def speed(text: str) -> float:
    """A positive number, or ``max``."""
    try:
        value = float("inf" if text == "max" else text)
    except ValueError:
        value = -1
    if not value > 0 or (value == float("inf") and text != "max"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a positive number nor max")
    return value


def execute(config: Config, options: argparse.Namespace) -> int:
    """Replays until the file's end, a signal, or a reader that left; 1 if rows were lost or the file is damaged."""
    outlive_hangups()
    sinks = chosen_sinks(
        config, options, config.sinks or [SinkConfig("console")]
    )  # before what is slow to load
    from engine import graphs
    from engine.plugins.probes import select
    from engine.recording.file import Recording
    from engine.recording.replay import ReplaySource
    from model.ledger import Ledger

    config = msgspec.structs.replace(config, bus=BusConfig())  # whatever joins agents and engines
    recording, ledger = Recording(options.file, select(config).event_types), Ledger()

    async def run() -> ReplaySource:
        source = ReplaySource(recording, options.speed)
        role = graphs.replay(config, sinks, source, ledger)
        give_memory_back()  # once the tables are there: untouched, they take no memory
        obey_signals(role)
        await role.run()
        return source

    source = asyncio.run(run())
    print(summary(options.file, source.frames, source.at_ns / 1e9, recording), file=sys.stderr)
    require_all(ledger)
    return 0


def summary(path: Path, frames: int, duration: float, recording: "Recording") -> str:
    """What was replayed, on one line, and what the recording lacks."""
    text = f"{path}: {frames:,} frames, {duration:.1f} s"
    if recording.lost:
        text += f"; {recording.lost:,} frames were lost as it was recorded"
    return f"{text}; the recording is {recording.complaint}" if recording.complaint else text
