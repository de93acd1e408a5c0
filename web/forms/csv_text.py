"""CSV as RFC 4180 has it."""

import csv
import io
from typing import Any

from store.queries.questions import Question
from web.forms.cells import table_of

#: What programs for tables would take for a formula at the beginning of a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(question: Question, data: Any) -> str:
    """A line of names, and one for each row; empty for null."""
    names, rows = table_of(question, data)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Names come from the network: one that begins like a formula is text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
