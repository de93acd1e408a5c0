"""Columns of a table that fills a width."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its title, the text of a row in at most so many characters, its width and how far that may grow."""

    title: str
    text: Callable[[Row, int], str]
    width: int
    widest: int = 0
    right: bool = False


def fitted(layouts: Sequence[Sequence[Column]], width: int, grow: Sequence[str]) -> list[Column]:
    """The first of ``layouts`` that ``width`` characters hold with a blank between columns, else the last.

    :param grow: titles of those who get what is left over, one after the other.
    """
    columns = list(next((layout for layout in layouts if _natural(layout) <= width), layouts[-1]))
    spare = width - _natural(columns)
    for title in grow:
        for place, column in enumerate(columns):
            if column.title == title and spare > 0:
                more = min(spare, max(0, column.widest - column.width))
                columns[place] = replace(column, width=column.width + more)
                spare -= more
    return columns


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters; its end gives way."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _natural(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1
