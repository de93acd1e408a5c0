"""The command line. Exit codes: 0 good, 1 failed, 2 usage."""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from engine.commands import (
    agent,
    alerts,
    doctor,
    engine,
    incidents,
    inspect,
    plugins,
    record,
    replay,
    run,
    selftest,
    serve,
    silence,
)
from engine.commands.ask import command as ask
from engine.commands.explain import command as explain
from engine.commands.filter_words import parsed
from engine.commands.observe import command as observe
from engine.commands.signals import EXIT_INTERRUPTED
from engine.commands.top import command as top
from engine.config import LOG_LEVELS, load_config
from engine.secrets import LineFormatter, guarded
from engine.service.journal import JournalHandler, complain, stderr_is_journal
from model.errors import TailraceError, explained, one_line
from model.standard_output import flushed, printing
from model.version import VERSION

log = logging.getLogger(__name__)


#: A line of the log on standard error.
LINE: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


class Command(Protocol):
    """A module or object that is a command."""

    def add(self, commands: Any, common: argparse.ArgumentParser) -> None:
        """Its options."""


COMMANDS: Final[tuple[Command, ...]] = (
    run,
    top,
    serve,
    *ask.COMMANDS,
    explain,
    incidents,
    silence,
    alerts,
    agent,
    engine,
    observe,
    record,
    replay,
    plugins,
    inspect,
    doctor,
    selftest,
)


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="tailrace", description="Every connection and every exchange of UDP, second by second."
    )
    parser.add_argument("--version", action="version", version=f"tailrace {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="YAML, see docs/configuration.md")
    common.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="what is logged on standard error; debug: also the traceback of what fails",
    )
    for command in COMMANDS:
        command.add(commands, common)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the program with its exit code."""
    sys.exit(flushed(run_command(arguments)))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; its exit code, whatever happens. What goes wrong is one line."""
    try:
        options = _parsed(arguments)
        config = load_config(options.config, os.environ, options.log_level)
        set_up_logging(config.log_level)
        code: int = options.execute(config, options)
    except SystemExit as end:  # of the parser: help, the version, or what it does not understand
        return int(end.code or 0)
    except BrokenPipeError:  # `tailrace doctor | head`
        return 0
    except TailraceError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        log.debug("%s", one_line(error), exc_info=error)
        return _failed(explained(error))
    return code


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """:raises SystemExit: after help, the version, or what is no command."""
    with printing():
        return parsed(build_parser(), sys.argv[1:] if arguments is None else arguments)
    raise SystemExit  # whoever wanted to read the help has left


def _failed(error: TailraceError) -> int:
    complain(f"tailrace: {guarded(str(error))}")
    return error.exit_code


def set_up_logging(level: str) -> None:
    """Our own loggers at ``level``; Faust tells of every step of its start and stop, which nobody asked for.

    What fails in a thread, or where nobody waits for it, is a line of the log, too. The journal keeps time and level
    itself.
    """
    in_journal = stderr_is_journal()
    handler: logging.Handler = JournalHandler() if in_journal else logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(message)s" if in_journal else LINE, "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("faust", "mode", "engine.transport"):
        logging.getLogger(name).setLevel(logging.WARNING)
    threading.excepthook = lambda failed: log.error(
        "the thread %s failed", failed.thread.name if failed.thread else "?", exc_info=failed.exc_value
    )
    sys.unraisablehook = lambda failed: log.debug("%s", failed.err_msg, exc_info=failed.exc_value)
