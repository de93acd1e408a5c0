"""The command line: ``tailrace run | doctor | selftest``."""

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine import __version__
from engine.config import Config, SinkConfig, load_config
from engine.errors import TailraceError

EXIT_GOOD, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
#: As shells report the end by SIGINT.
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(prog="tailrace", description="Every TCP connection, second by second.")
    parser.add_argument("--version", action="version", version=f"tailrace {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="YAML, see docs/configuration.md")
    run = commands.add_parser("run", parents=[common], help="watch this machine's connections")
    run.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="NAME[:ARG]",
        help="where rows go; may be given more than once (default: console)",
    )
    run.add_argument("--duration", type=_seconds, metavar="S", help="stop after so many seconds")
    for name, purpose in (
        ("doctor", "what this machine offers, and how to mend what it lacks"),
        ("selftest", "make known traffic and compare it with what is reported"),
    ):
        command = commands.add_parser(name, parents=[common], help=purpose)
        command.add_argument("-o", "--output", choices=("table", "json"), default="table")
    command.add_argument("--quick", action="store_true", help="less traffic: 5 seconds instead of 12")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of seconds")
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the program with its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        config = load_config(options.config, os.environ)
        set_up_logging(config.log_level)
        code = _COMMANDS[options.command](config, options)
    except TailraceError as error:
        print(f"tailrace: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


def set_up_logging(level: str) -> None:
    """Our own loggers at ``level``; Faust tells of every step of its start and stop, which nobody asked for."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")
    for name in ("faust", "mode", "engine.transport"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _run(config: Config, options: argparse.Namespace) -> int:
    from engine.sink import make_sink, sink_from_argument
    from engine.topology import Pipeline, name_sinks

    wanted = [sink_from_argument(argument) for argument in options.sink]
    wanted += [
        (sink.name, sink.settings) for sink in ([] if wanted else config.sinks or [SinkConfig("console")])
    ]
    sinks = name_sinks([(name, make_sink(name, settings)) for name, settings in wanted])

    async def run() -> None:
        pipeline = Pipeline(config, sinks)
        stop_on_signals(pipeline.stop)
        if options.duration:
            asyncio.get_running_loop().call_later(options.duration, pipeline.stop)
        await pipeline.run()

    give_memory_back()
    asyncio.run(run())
    return EXIT_GOOD


def give_memory_back() -> None:
    """Lets glibc return the memory of freed columns at once; left alone it keeps tens of megabytes of it.

    mallopt(3): setting M_MMAP_THRESHOLD turns its growth off.
    """
    m_mmap_threshold, m_arena_max = -3, -8
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(m_mmap_threshold, 256 << 10)
        libc.mallopt(m_arena_max, 2)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """SIGINT and SIGTERM end the program in good order; a second one at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            os._exit(EXIT_INTERRUPTED)
        asked = True
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)


def _doctor(config: Config, options: argparse.Namespace) -> int:
    from engine.doctor import run_doctor

    return run_doctor(config, options.output)


def _selftest(config: Config, options: argparse.Namespace) -> int:
    from selftest.run import run_selftest

    return run_selftest(config, options.output, "quick" if options.quick else "full")


_COMMANDS = {"run": _run, "doctor": _doctor, "selftest": _selftest}
