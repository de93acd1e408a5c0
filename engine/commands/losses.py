"""Losses that make the exit code 1."""

from collections.abc import Collection, Iterator
from typing import Final

from model.errors import BROKEN_PIPE, TailraceError
from model.ledger import Ledger, Stage

_REMEDY: Final = "see its page in docs/sinks.md"


def require_some(ledger: Ledger) -> None:
    """For a command that runs on: some rows may be lost, but not all of them.

    :raises TailraceError: if a sink was given rows and has delivered none; a reader that left does not count.
    """
    for name, stage in _sinks(ledger):
        lost = _lost(stage, [BROKEN_PIPE])
        if lost and not stage.delivered:
            raise TailraceError(f"{name} lost all of its rows: {_text(lost)}", _REMEDY)


def require_all(ledger: Ledger) -> None:
    """For a command that has an end: every row is wanted, but those that nobody waited for any more.

    :raises TailraceError: if a sink lost rows.
    """
    require_some(ledger)
    for name, stage in _sinks(ledger):
        if lost := _lost(stage, ["shutdown", BROKEN_PIPE]):
            raise TailraceError(f"{name} lost rows: {_text(lost)}", _REMEDY)


def _sinks(ledger: Ledger) -> Iterator[tuple[str, Stage]]:
    return ((name, stage) for name, stage in ledger.stages.items() if name.startswith("sink."))


def _lost(stage: Stage, unwanted: Collection[str]) -> dict[str, int]:
    return {reason: count for reason, count in stage.dropped.items() if reason not in unwanted}


def _text(lost: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in lost.items())
