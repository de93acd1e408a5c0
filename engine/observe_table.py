"""Flows as text: one aligned line each for a width, or one JSON object each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from engine.flows import Flow
from sinks.units import duration_text, short_number
from sinks.words import endpoint_text, printable, shortened

_ARROWS: Final = {"client": "→", "server": "←"}


@dataclass(frozen=True)
class Column:
    """A column: its title, a flow's text in at most so many characters, its width and how far that may grow."""

    title: str
    text: Callable[[Flow, int], str]
    width: int
    widest: int
    right: bool = False


def _time(flow: Flow, _: int) -> str:
    return datetime.fromtimestamp(flow.window, UTC).strftime("%H:%M:%S")


def _node(flow: Flow, width: int) -> str:
    return shortened(printable(flow.node), width)


def _process(flow: Flow, width: int) -> str:
    """``nginx/1234``; the name alone where there is no room for both."""
    name, pid = printable(flow.row.get("process.comm", "")), flow.row.get("process.pid", 0)
    if not name and not pid:
        return "-"
    if width < _PROCESS_WIDTH:
        return _cut(name or str(pid), width)
    return shortened(name or "?", width - len(str(pid)) - 1) + f"/{pid}"


def _end(flow: Flow, side: str, width: int) -> str:
    """The port stays whole where the address must give way."""
    address, port = flow.row.get(f"network.{side}.address", "?"), flow.row.get(f"network.{side}.port", 0)
    address, colon, port = endpoint_text(address, port).rpartition(":")
    return shortened(address, width - len(port) - 1) + colon + port


def _local(flow: Flow, width: int) -> str:
    """The port alone where there is no room for the address."""
    port = f":{flow.row.get('network.local.port', 0)}"
    return port if width < _LOCAL_WIDTH else _end(flow, "local", width)


def _state(flow: Flow, width: int) -> str:
    """The error of a failed connect or an abnormal end, what closed the connection, or its TCP state."""
    row = flow.row
    reason = row.get("connection.close_reason", "")
    text = str(row.get("connection.state", "-"))
    if row.get("error.type") and (row.get("connection.failed") or reason == "error"):
        text = row["error.type"]
    elif row.get("connection.failed"):
        text = "failed"
    elif row.get("connection.closed"):
        text = str(reason or "closed")
    return _cut(text, width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _number(name: str) -> Callable[[Flow, int], str]:
    return lambda flow, _: short_number(flow.row.get(name, 0))


def _rtt(flow: Flow, _: int) -> str:
    return duration_text(flow.row["rtt_ns"]) if flow.row.get("rtt_ns") else "-"


#: Characters from which on the process has its pid, and the local end its address.
_PROCESS_WIDTH: Final = 14
_LOCAL_WIDTH: Final = 15

#: 80 characters wide with a blank between each two.
_COLUMNS: Final = (
    Column("TIME", _time, 8, 8),
    Column("NODE", _node, 7, 20),
    Column("PROCESS", _process, 8, 23),
    Column("LOCAL", _local, 6, 21, right=True),
    Column("", lambda flow, _: _ARROWS.get(flow.row.get("connection.role", ""), "–"), 1, 1),
    Column("PEER", lambda flow, width: _end(flow, "peer", width), 16, 21),
    Column("STATE", _state, 12, 12),
    Column("TX", _number("tx_bytes"), 4, 4, right=True),
    Column("RX", _number("rx_bytes"), 4, 4, right=True),
    Column("RTT", _rtt, 5, 5, right=True),
)

#: Who gets what is left over, in this order; the local end only if its address fits.
_GROW: Final = ("PEER", "PROCESS", "LOCAL", "NODE")


def widths_for(width: int) -> list[int]:
    """The columns' widths, together at most ``width`` characters, at least 80."""
    widths = [column.width for column in _COLUMNS]
    spare = width - sum(widths) - len(widths) + 1
    for title in _GROW:
        for place, column in enumerate(_COLUMNS):
            more = min(spare, column.widest - column.width)
            if (
                column.title != title
                or more <= 0
                or (title == "LOCAL" and column.width + more < _LOCAL_WIDTH)
            ):
                continue
            widths[place] += more
            spare -= more
    return widths


class FlowTable:
    """Flows as lines of a table, the titles before the first."""

    def __init__(self, width: int) -> None:
        self._widths = widths_for(width)
        self._titled = False

    def lines(self, flows: Iterable[Flow]) -> str:
        """The lines of ``flows``."""
        wide = list(zip(_COLUMNS, self._widths, strict=True))
        rows = [[column.text(flow, width) for column, width in wide] for flow in flows]
        if rows and not self._titled:
            rows.insert(0, [column.title for column in _COLUMNS])
            self._titled = True
        return "".join(self._line(row) for row in rows)

    def _line(self, cells: list[str]) -> str:
        wide = zip(cells, _COLUMNS, self._widths, strict=True)
        padded = (cell.rjust(width) if column.right else cell.ljust(width) for cell, column, width in wide)
        return " ".join(padded).rstrip() + "\n"


class FlowJson:
    """Flows as JSON lines."""

    def lines(self, flows: Iterable[Flow]) -> str:
        """The lines of ``flows``."""
        return msgspec.json.Encoder().encode_lines([_object(flow) for flow in flows]).decode()


def _object(flow: Flow) -> dict[str, Any]:
    head = {"kind": "flow", "node": flow.node, "boot": flow.boot, "seq": flow.seq, "window": flow.window}
    return head | flow.row
