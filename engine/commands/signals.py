"""Signals of commands that run on: which end them, and which they answer."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

from engine.role import Role
from engine.state import log_state

#: As shells report the end by SIGINT.
EXIT_INTERRUPTED: Final = 130

log = logging.getLogger(__name__)


def outlive_hangups() -> None:
    """While it starts, SIGHUP and SIGUSR1, which end a program that says nothing of them, change nothing."""

    def too_early(number: int, _: FrameType | None) -> None:
        log.warning("%s while it starts: nothing is done", signal.Signals(number).name)

    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, too_early)


def obey_signals(role: Role) -> None:
    """SIGINT and SIGTERM end a role in good order, a second one at once; SIGUSR1 has its state logged.

    SIGHUP, which a terminal sends that is closed, leaves it running: one whose output that was ends by itself.
    What it does beyond that is said by ``engine.commands.reload``.
    """
    loop, end = asyncio.get_running_loop(), _stopper(role)
    answers: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGINT: end,
        signal.SIGTERM: end,
        signal.SIGUSR1: lambda: log_state(role.graph),
        signal.SIGHUP: _hung_up,
    }
    for number, answer in answers.items():
        loop.add_signal_handler(number, answer)


def _stopper(role: Role) -> Callable[[], None]:
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked:
            os._exit(EXIT_INTERRUPTED)
        asked = True
        role.stop()

    return ask


def _hung_up() -> None:
    log.warning("SIGHUP: nothing is read again")
