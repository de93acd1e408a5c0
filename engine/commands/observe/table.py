"""Public rows as text: one aligned line each for a width, or one JSON object each."""

from collections.abc import Iterable
from typing import Any

import msgspec

from model.public import PublicRow
from model.text.plain import text_of_rows
from model.text.table import Text, TextColumn


class TableRows:
    """Rows as lines of a table, the titles before the first.

    :param text: how people read them; without, the fields of the first rows are shown as they are.
    """

    def __init__(self, width: int, text: Text | None = None) -> None:
        self._width = width
        self._columns = text.history.fitted(width) if text else []
        self._titled = False

    def lines(self, rows: Iterable[PublicRow]) -> str:
        """The lines of ``rows``."""
        rows = list(rows)
        if not self._columns:
            self._columns = text_of_rows([row.row for row in rows]).history.fitted(self._width)
        shown = [{"window": row.window, **row.row} for row in rows]
        lines = [[column.text(row, column.width) for column in self._columns] for row in shown]
        if lines and not self._titled:
            lines.insert(0, [column.title for column in self._columns])
            self._titled = True
        return "".join(map(self._line, lines))

    def _line(self, cells: list[str]) -> str:
        return " ".join(map(_padded, cells, self._columns)).rstrip() + "\n"


def _padded(cell: str, column: TextColumn) -> str:
    return cell.rjust(column.width) if column.right else cell.ljust(column.width)


class JsonRows:
    """Rows as JSON lines."""

    def lines(self, rows: Iterable[PublicRow]) -> str:
        """The lines of ``rows``."""
        return msgspec.json.Encoder().encode_lines(list(map(_object, rows))).decode()


def _object(row: PublicRow) -> dict[str, Any]:
    head = {name: getattr(row, name) for name in ("kind", "node", "boot", "seq", "window")}
    return head | row.row
