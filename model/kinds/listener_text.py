"""Listening sockets as people read them: who listens where, and how full the accept queue is."""

from collections.abc import Callable
from typing import Final

from model.kinds.workload.names import named
from model.rows.words import endpoint_text, printable, shortened, shortened_endpoint
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, timed
from model.text.units import short_number


def owner_text(row: Row) -> str:
    """The workload ``shop/cart``, else the process ``nginx/811``."""
    workload = named(row.get("entity") or {}).workload
    if workload:
        name = f"{workload.namespace}/{workload.name}" if workload.namespace else workload.name
        return printable(name)
    comm, pid = printable(row.get("process.comm", "")), row.get("process.pid", 0)
    return f"{comm or '-'}/{pid}" if pid else comm or "-"


def local_text(row: Row) -> str:
    """``*:80`` where it listens at any address."""
    address = str(row.get("network.local.address") or "*")
    return endpoint_text("*" if address in ("0.0.0.0", "::") else address, row.get("network.local.port", 0))


def _count(name: str) -> Callable[[Row, int], str]:
    return lambda row, _: short_number(row.get(name, 0))


def _fill(row: Row, _: int) -> str:
    """How full the queue is; a limit of 0 takes one connection."""
    return f"{100 * row.get('listener.queue', 0) // max(1, row.get('listener.limit', 0))}%"


_OWNER: Final = TextColumn("LISTENER", lambda row, width: shortened(owner_text(row), width), 16, 40)
_LOCAL: Final = TextColumn("ADDRESS", lambda row, width: shortened_endpoint(local_text(row), width), 16, 47)
_NETNS: Final = TextColumn("NETNS", lambda row, _: str(row.get("netns.id") or "-"), 10)
_QUEUE: Final = (
    TextColumn("QUEUE", _count("listener.queue"), 5, right=True),
    TextColumn("LIMIT", _count("listener.limit"), 5, right=True),
    TextColumn("FULL", _fill, 5, right=True),
    TextColumn("ACC/s", _count("listener.accepted"), 5, right=True),
    TextColumn("DROP/s", _count("listener.overflows"), 6, right=True),
)

_LAYOUTS: Final = Layouts(
    (
        (_OWNER, _LOCAL, _NETNS, *_QUEUE),
        (_OWNER, _LOCAL, *_QUEUE),
        (_OWNER, *_QUEUE),
    ),
    ("ADDRESS", "LISTENER"),
)


def _line(row: Row) -> str:
    counts = ("queue", "limit", "accepted", "overflows")
    words = [
        *(word(owner_text(row)), local_text(row), f"netns={row.get('netns.id', 0)}"),
        *(f"{name}={row.get(f'listener.{name}', 0)}" for name in counts),
    ]
    return " ".join([*words, "ended"] if row.get("listener.ended") else words)


def _style(row: Row) -> str:
    if row.get("listener.overflows"):
        return "red"
    return "dim" if row.get("listener.ended") else ""


#: Of rows of kind ``listener``.
TEXT: Final = Text(_LAYOUTS, timed(_LAYOUTS), _line, _style)
