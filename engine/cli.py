"""The command line. Exit codes: 0 good, 1 failed, 2 usage."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.commands import agent, doctor, engine, plugins, record, replay, run, selftest
from engine.commands.filter_words import parsed
from engine.commands.observe import command as observe
from engine.commands.process import EXIT_INTERRUPTED
from engine.config import load_config
from engine.secrets import GuardedFormatter, guarded
from engine.service.journal import JournalHandler, complain, stderr_is_journal
from model.errors import TailraceError
from model.version import VERSION

#: A line of the log on standard error.
LINE: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
COMMANDS = (run, agent, engine, observe, record, replay, plugins, doctor, selftest)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(prog="tailrace", description="Every TCP connection, second by second.")
    parser.add_argument("--version", action="version", version=f"tailrace {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="YAML, see docs/configuration.md")
    for command in COMMANDS:
        command.add(commands, common)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the program with its exit code."""
    options = parsed(build_parser(), sys.argv[1:] if arguments is None else arguments)
    try:
        config = load_config(options.config, os.environ)
        set_up_logging(config.log_level)
        code = options.execute(config, options)
        sys.stdout.flush()
    except BrokenPipeError:  # `tailrace doctor | head`; what is left in the buffer has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except TailraceError as error:
        complain(f"tailrace: {guarded(str(error))}")
        code = error.exit_code
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


def set_up_logging(level: str) -> None:
    """Our own loggers at ``level``; Faust tells of every step of its start and stop, which nobody asked for.

    The journal keeps time and level itself.
    """
    in_journal = stderr_is_journal()
    handler: logging.Handler = JournalHandler() if in_journal else logging.StreamHandler()
    handler.setFormatter(GuardedFormatter("%(message)s" if in_journal else LINE, "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("faust", "mode", "engine.transport"):
        logging.getLogger(name).setLevel(logging.WARNING)
