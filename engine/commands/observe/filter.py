"""Which rows are shown: a filter, and options that stand for words of it."""

import argparse
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from model.errors import UsageError
from model.filter.filter import Filter
from model.filter.view import RowsView
from model.kind import Kind
from model.public import PublicRow

#: The rows of a message that are wanted.
Select = Callable[[Sequence[PublicRow]], list[PublicRow]]

#: Options that each stand for words with that key.
KEYS: Final = ("node", "process", "port", "address", "evidence", "workload")


def filter_text(options: argparse.Namespace) -> str:
    """The words that were given, and those that options stand for."""
    given = [(key, getattr(options, key)) for key in KEYS]
    words = [f"{key}:{','.join(map(_quoted, values))}" for key, values in given if values]
    times = [f"{key}:{time}" for key in ("since", "until") if (time := getattr(options, key))]
    return " ".join([*options.filter, *words, *times])


def selection(wanted: Filter, kind: Kind | None, rows: str) -> Select:
    """What takes the wanted rows out of those of a message.

    :param kind: of the rows; None if this program does not know it: then a filter cannot be.
    :raises UsageError: if a word means nothing for these rows.
    """
    if not wanted:
        return list
    if kind is None:
        raise UsageError(
            f"{rows} are of a plug-in that is not installed here", "leave out the filter, or install it"
        )
    mask = wanted.of(kind)

    def select(found: Sequence[PublicRow]) -> list[PublicRow]:
        return [found[place] for place in np.flatnonzero(mask(RowsView(kind, found))).tolist()]

    return select


def _quoted(value: object) -> str:
    return f'"{value}"'
