"""Rows of any kind as people read them, where the kind says nothing of its own about it."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from model.rows.words import printable, shortened
from model.text.table import Layouts, Row, Text, TextColumn, timed

#: Characters of a column of texts, and how far it may grow.
_TEXT: Final = (16, 47)
_NUMBER: Final = 8


def word(text: str) -> str:
    """``text`` without blanks: those in it become "_", and nothing is "-"."""
    return "_".join(printable(text).split()) or "-"


def plain_text(names: Sequence[tuple[str, bool]]) -> Text:
    """Tables and lines of these fields.

    :param names: each with whether its values are numbers; in the order in which they are shown.
    """
    columns = [_column(name, number=number) for name, number in names]
    choices = [columns[:count] for count in range(len(columns), 0, -1)] or [[]]
    live = Layouts(choices, [column.title for column in columns if column.widest])
    return Text(live, timed(live), lambda row: " ".join(_words(row, [name for name, _ in names])))


def text_of_rows(rows: Iterable[Row]) -> Text:
    """The same for rows of a kind that nobody declared here: the fields that they have."""
    values = {name: value for row in rows for name, value in row.items()}
    return plain_text([(name, isinstance(value, int)) for name, value in values.items()])


def _column(name: str, *, number: bool) -> TextColumn:
    width, widest = (_NUMBER, 0) if number else _TEXT
    title = name.upper()

    def text(row: Row, width: int) -> str:
        return shortened(printable(_value_text(row.get(name))), width)

    return TextColumn(title, text, max(width, len(title)), widest, right=number)


def _words(row: Row, names: Sequence[str]) -> list[str]:
    return [f"{name}={word(_value_text(row[name]))}" for name in names if name in row]


def _value_text(value: Any) -> str:
    return "" if value is None else str(value)
