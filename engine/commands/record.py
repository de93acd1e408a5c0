"""``tailrace record``: what the kernel gives, into a file."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.commands.losses import require_some
from engine.commands.process import give_memory_back, run_for, seconds
from engine.commands.signals import obey_signals, outlive_hangups
from engine.commands.sink_options import add_sink_options, chosen_sinks
from engine.config import BusConfig, Config, unwatched
from model.errors import TailraceError, UsageError
from model.ledger import Ledger, Stage

if TYPE_CHECKING:
    from engine.recording.file import RecordingWriter


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Its options."""
    parser = commands.add_parser(
        "record", parents=[common], help="keep what the kernel gives in a file, to be replayed"
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--duration", type=seconds, metavar="S", help="stop after so many seconds")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    add_sink_options(parser, "none")
    parser.set_defaults(execute=execute)


def execute(config: Config, options: argparse.Namespace) -> int:
    """Records until a signal, the duration, or a file that cannot be written; says what is in the file."""
    outlive_hangups()
    from engine import graphs
    from engine.plugins.probes import select
    from engine.recording.file import RecordingWriter
    from engine.recording.recorder import RecordedSource, Recorder
    from probes.checks.capabilities import require
    from probes.kernel_source import KernelSource

    config = unwatched(msgspec.structs.replace(config, bus=BusConfig()))  # whatever joins agents and engines
    sinks = chosen_sinks(config, options, [])
    check_target(options.file, force=options.force)
    selection = select(config)
    require(selection)
    file, ledger = RecordingWriter(options.file, selection.event_types, force=options.force), Ledger()

    async def run() -> Recorder:
        recorder = Recorder(file, ledger, selection.event_types)
        kernel = KernelSource(selection)
        source = RecordedSource(kernel, recorder, config.tcp.ring_bytes, forward=bool(sinks))
        role = graphs.run(config, sinks, source, ledger)
        role.graph.probes = lambda: kernel.state()["capabilities"]
        give_memory_back()  # once the tables are there: untouched, they take no memory
        obey_signals(role)
        await run_for(options.duration, role)
        return recorder

    recorder = asyncio.run(run())
    frames = ledger.stages["recording"]
    _require_begun(options.file, file)
    print(summary(options.file, frames.delivered, recorder.seconds, file.bytes), file=sys.stderr)
    if recorder.error:
        raise recorder.error
    _require_all(frames)
    require_some(ledger)
    return 0


def _require_begun(path: Path, file: "RecordingWriter") -> None:
    if not file.bytes:
        raise TailraceError(
            f"{path} was not begun: ended before all probes were there", "let it start, then end it"
        )


def _require_all(frames: Stage) -> None:
    if lost := frames.dropped.total():
        raise TailraceError(f"{lost} frames were lost: {dict(frames.dropped)}", "record to a faster disk")


def summary(path: Path, frames: int, duration: float, size: int) -> str:
    """What was written, on one line."""
    return f"{path}: {frames:,} frames, {duration:.1f} s, {size:,} bytes"


def check_target(path: Path, *, force: bool) -> None:
    """What can be said before the kernel is asked for anything.

    :raises UsageError: if there is such a file and ``force`` is not set, or it can be none.
    """
    if str(path) == "-":
        raise UsageError("a recording is no output for a pipe", "name a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file", "name a file")
    if path.exists() and not force:
        raise UsageError(f"{path} exists", "choose another name, or overwrite it with --force")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"cannot write {path}: no such folder", "make its folder first")
