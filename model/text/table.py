"""Rows as people read them: columns of a table that fills a width, and plain lines of words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class TextColumn:
    """A column: its title, the text of a row in at most so many characters, its width and how far that may grow."""

    title: str
    text: Callable[[Row, int], str]
    width: int
    widest: int = 0
    right: bool = False


@dataclass(frozen=True)
class Layouts:
    """Choices of columns.

    :param choices: the widest first.
    :param grow: titles of those who get what is left over, one after the other.
    """

    choices: Sequence[Sequence[TextColumn]]
    grow: Sequence[str] = ()

    def fitted(self, width: int) -> list[TextColumn]:
        """The first choice that ``width`` characters hold with a blank between columns, else the last."""
        columns = list(
            next((choice for choice in self.choices if _natural(choice) <= width), self.choices[-1])
        )
        spare = width - _natural(columns)
        for title in self.grow:
            for place, column in enumerate(columns):
                if column.title == title and spare > 0:
                    more = min(spare, max(0, column.widest - column.width))
                    columns[place] = replace(column, width=column.width + more)
                    spare -= more
        return columns


@dataclass(frozen=True)
class Text:
    """How people read rows of a kind; the rows are those of JSON lines.

    :param live: columns of a table of one second.
    :param history: columns of a table of many seconds, the time first.
    :param line: a row as words on a line of its own.
    :param style: red for what went wrong, green for what began, dim for what ended.
    """

    live: Layouts
    history: Layouts
    line: Callable[[Row], str]
    style: Callable[[Row], str] = lambda _: ""


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters; its end gives way."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _time(row: Row, _: int) -> str:
    """The row's own second."""
    window = row["window"] - row.get("window.late_s", 0)
    return datetime.fromtimestamp(window, UTC).strftime("%H:%M:%S")


TIME = TextColumn("TIME", _time, 8)


def timed(live: Layouts) -> Layouts:
    """The same with the time before them."""
    return Layouts([(TIME, *choice) for choice in live.choices], live.grow)


def _natural(columns: Sequence[TextColumn]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1
