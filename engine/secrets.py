"""Secrets of the configuration, kept out of all that the program says."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from model.errors import one_line
from model.settings import hidden

_secrets: Final[set[str]] = set()


def guard(secrets: Iterable[str]) -> None:
    """Keep these out of the log and out of errors from now on."""
    _secrets.update(filter(None, secrets))


def guarded(text: str) -> str:
    """``text`` without any secret."""
    return hidden(text, _secrets) if _secrets else text


class LineFormatter(logging.Formatter):
    """Lines of the log without secrets: also those of plug-ins and of their libraries. Times are UTC.

    What failed is on one line; its traceback follows where the root logger lets debug lines through.
    """

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            return guarded(super().format(record))
        shown = logging.makeLogRecord(vars(record) | {"exc_info": None, "exc_text": None, "stack_info": None})
        text = " ".join(super().format(shown).split("\n"))
        error = record.exc_info[1] if record.exc_info else None
        return guarded(f"{text} ({one_line(error)})" if error else text)
