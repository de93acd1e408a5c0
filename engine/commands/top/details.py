"""Everything that a row says, as people read it: the way of the connection first, then each end."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from model.kind import Kind
from model.public import PublicRow
from model.rows.words import endpoint_text, printable
from model.text.units import bytes_text, duration_text

SIDES: Final = ("client", "server")


def details(kind: Kind, row: PublicRow) -> RenderableType:
    """The row: its summary line, NAT, both ends side by side, all other fields."""
    fields = row.row
    ends = {side: _fields(fields, f"{side}.") for side in SIDES}
    others = {
        name: value
        for name, value in fields.items()
        if not name.startswith(("client.", "server.")) and name != "nat"
    }
    parts: list[RenderableType] = [Text(kind.reading.line(_timed(row)), style="bold"), Text()]
    if "nat" in fields:
        parts += [_way(fields["nat"]), Text()]
    if any(ends.values()):
        parts += [_ends(ends), Text()]
    return Group(*parts, _list(others))


def _timed(row: PublicRow) -> Mapping[str, Any]:
    return {"window": row.window, **row.row}


def _fields(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def _way(hops: list[Mapping[str, Any]]) -> Table:
    """The tuples that the connection had on its way, that of the client's socket first."""
    table = _table("rewritten by NAT", "from", "to")
    for number, hop in enumerate(hops):
        ends = [
            printable(endpoint_text(str(hop[f"{end}.address"]), int(hop[f"{end}.port"])))
            for end in ("source", "destination")
        ]
        table.add_row("as the client sent it" if not number else f"after rewrite {number}", *map(Text, ends))
    return table


def _ends(ends: Mapping[str, Mapping[str, Any]]) -> Table:
    """Both ends side by side, a field each line, in the order of the client's."""
    table = _table("", *SIDES)
    entities = {side: dict(fields.get("entity") or {}) for side, fields in ends.items()}
    for names, values in (
        (_names(ends), ends),
        (_names(entities), entities),
    ):
        for name in names:
            if name != "entity":
                table.add_row(name, *(_value(name, values[side].get(name)) for side in SIDES))
    return table


def _names(ends: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for fields in ends.values() for name in fields))


def _list(fields: Mapping[str, Any]) -> Table:
    table = _table("", "")
    for name, value in fields.items():
        table.add_row(name, _value(name, value))
    return table


def _table(*titles: str) -> Table:
    table = Table(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", show_header=any(titles)
    )
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _value(name: str, value: Any) -> Text:
    """With the unit that the name tells."""
    if value is None:
        return Text("-", "dim")
    if isinstance(value, Mapping):
        return Text(
            ", ".join(f"{key}={printable(str(each))}" for key, each in value.items() if key != "buckets")
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Text(printable(str(value)))
    if name.endswith("_at_ns"):
        return Text(datetime.fromtimestamp(value / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC"))
    if name.endswith("_ns"):
        return Text(duration_text(value))
    return Text(f"{bytes_text(value)} ({value})" if name.endswith("bytes") and value > 999 else str(value))
