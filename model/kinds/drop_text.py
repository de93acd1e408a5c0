"""Dropped packets as people read them: what, whose, where."""

from typing import Final

from model.rows.words import endpoint_text, shortened, shortened_endpoint
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, cut, timed
from model.text.units import short_number


def end_text(row: Row, end: str) -> str:
    """Address and port of an end; ``*`` where addresses are not told apart."""
    address, port = str(row.get(f"{end}.address") or ""), int(row.get(f"{end}.port") or 0)
    return endpoint_text(address or "*", port) if port else address or "*"


def where_text(row: Row) -> str:
    """The chain, else the function."""
    return str(row.get("netfilter.hook") or row.get("drop.function") or "-")


def _end(end: str) -> TextColumn:
    return TextColumn(end.upper(), lambda row, width: shortened_endpoint(end_text(row, end), width), 16, 47)


_CATEGORY: Final = TextColumn("WHY", lambda row, width: cut(str(row.get("drop.category") or "-"), width), 14)
_REASON: Final = TextColumn(
    "REASON", lambda row, width: shortened(str(row.get("drop.reason") or "-"), width), 8, 24
)
_WHERE: Final = TextColumn("WHERE", lambda row, width: shortened(where_text(row), width), 10, 36)
_TRANSPORT: Final = TextColumn(
    "", lambda row, width: cut(str(row.get("network.transport") or "-"), width), 4, 6
)
_COUNT: Final = TextColumn("DROPS/s", lambda row, _: short_number(row.get("drops", 0)), 7, right=True)
_NETNS: Final = TextColumn("NETNS", lambda row, _: str(row.get("netns.id") or "-"), 10)

_LAYOUTS: Final = Layouts(
    (
        (_CATEGORY, _REASON, _WHERE, _TRANSPORT, _end("source"), _end("destination"), _NETNS, _COUNT),
        (_CATEGORY, _REASON, _TRANSPORT, _end("source"), _end("destination"), _COUNT),
        (_CATEGORY, _TRANSPORT, _end("destination"), _COUNT),
    ),
    ("REASON", "WHERE", "DESTINATION", "SOURCE"),
)


def _line(row: Row) -> str:
    words = [
        *(
            str(row.get("drop.category") or "-"),
            word(str(row.get("drop.reason") or "-")),
            word(where_text(row)),
        ),
        *(
            str(row.get("network.transport") or "-"),
            end_text(row, "source"),
            "->",
            end_text(row, "destination"),
        ),
        *(f"netns={row.get('netns.id', 0)}", f"drops={row.get('drops', 0)}"),
    ]
    return " ".join(words)


#: Of rows of kind ``drop``.
TEXT: Final = Text(_LAYOUTS, timed(_LAYOUTS), _line, lambda _row: "red")
