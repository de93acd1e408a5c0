"""Secrets of the configuration, kept out of all that the program says."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from model.settings import hidden

_secrets: Final[set[str]] = set()


def guard(secrets: Iterable[str]) -> None:
    """Keep these out of the log and out of errors from now on."""
    _secrets.update(filter(None, secrets))


def guarded(text: str) -> str:
    """``text`` without any secret."""
    return hidden(text, _secrets) if _secrets else text


class GuardedFormatter(logging.Formatter):
    """Lines of the log, tracebacks included, without secrets: also those of plug-ins and of their libraries.

    Times are UTC.
    """

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return guarded(super().format(record))
