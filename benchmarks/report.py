"""Lines of figures as a table or as JSON, printed as they come: a run takes minutes."""

import json
from typing import Any, Final, Protocol

#: Key and width of each column.
_COLUMNS: Final = (
    ("name", 24),
    ("value", 10),
    ("unit", 10),
    ("peer", 22),
    ("peer_value", 10),
    ("ratio", 8),
    ("bar", 24),
    ("ok", 4),
)
_NUMBERS: Final = ("value", "peer_value", "ratio")


class Printer(Protocol):
    """Prints lines."""

    def line(self, line: dict[str, Any]) -> None:
        """Print one line, with the keys of ``benchmarks.figure.KEYS``."""


class JsonPrinter:
    """One JSON object a line."""

    def line(self, line: dict[str, Any]) -> None:
        """Print one object."""
        print(json.dumps(line, ensure_ascii=False), flush=True)


class TablePrinter:
    """Columns of fixed width; the note, where there is one, stands below its line."""

    def __init__(self) -> None:
        self._head = False

    def line(self, line: dict[str, Any]) -> None:
        """Print one row, the first one below a head."""
        if not self._head:
            print("  ".join(f"{name:{width}}" for name, width in _COLUMNS).rstrip())
            self._head = True
        print("  ".join(f"{cell(line, name):{width}}" for name, width in _COLUMNS).rstrip())
        if line["note"]:
            print(f"    {line['note']}")
        print(end="", flush=True)


def cell(line: dict[str, Any], name: str) -> str:
    """A value as the table shows it: four digits, "-" where there is none."""
    value = line[name]
    if value is None:
        return "-"
    if name == "ok":
        return "yes" if value else "NO"
    if name == "ratio":
        return f"{value:.3g}x"
    return f"{value:,.0f}" if name in _NUMBERS and abs(value) >= 10_000 else _short(value)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


PRINTERS: Final[dict[str, type[TablePrinter] | type[JsonPrinter]]] = {
    "table": TablePrinter,
    "json": JsonPrinter,
}
