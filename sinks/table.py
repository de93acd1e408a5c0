"""A second as a table for a terminal of a given width; the only module that imports rich."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.schema import CloseReason, Role
from sinks.cells import local_text, peer_text, process_text, state_text
from sinks.plain import time_text
from sinks.second import Second
from sinks.units import duration_text, rate_text, short_number
from sinks.words import cgroup_tail, printable, shortened

Row = Mapping[str, Any]

_ARROWS: Final = {Role.CLIENT: "→", Role.SERVER: "←"}
_ALARMING: Final = (CloseReason.RST_SENT, CloseReason.RST_RECEIVED, CloseReason.TIMED_OUT, CloseReason.ERROR)


@dataclass(frozen=True)
class Column:
    """A column: its title, the text of a row at a width, its width and how far that may grow."""

    title: str
    text: Callable[[Row, int], str]
    width: int
    widest: int = 0
    right: bool = False


def _process(row: Row, width: int) -> str:
    """The pid stays whole where the name must give way."""
    comm, slash, pid = process_text(row).rpartition("/")
    return shortened(comm, max(1, width - len(pid) - 1)) + slash + pid


def _endpoint(text: Callable[[Row], str]) -> Callable[[Row, int], str]:
    """The port stays whole where the address must give way."""

    def cell(row: Row, width: int) -> str:
        address, colon, port = text(row).rpartition(":")
        return shortened(address, width - len(port) - 1) + colon + port

    return cell


def _rtt(row: Row, _: int) -> str:
    return duration_text(row["rtt_ns"]) if row["rtt_ns"] else "-"


def _rate(name: str) -> Callable[[Row, int], str]:
    return lambda row, width: rate_text(row[name]) if width > 5 else short_number(row[name])


def _container(row: Row, width: int) -> str:
    return shortened(printable(cgroup_tail(row["cgroup.path"])), width) or "-"


_PROCESS: Final = Column("PROCESS", _process, 14, 24)
_CONTAINER: Final = Column("CONTAINER", _container, 14, 28)
_PORT: Final = Column("LOCAL", lambda row, _: f":{row['network.local.port']}", 6, right=True)
_LOCAL: Final = Column("LOCAL", _endpoint(local_text), 21, 47, right=True)
_ARROW: Final = Column("", lambda row, _: _ARROWS.get(row["connection.role"], "–"), 1)
_PEER: Final = Column("PEER", _endpoint(peer_text), 21, 47)
_STATE: Final = Column("STATE", lambda row, _: state_text(row), 12)
_TX: Final = Column("TX/s", _rate("tx_bytes"), 5, right=True)
_RX: Final = Column("RX/s", _rate("rx_bytes"), 5, right=True)
_RETRANSMITS: Final = Column("RTX", lambda row, _: short_number(row["retransmitted_segments"]), 4, right=True)
_RTT: Final = Column("RTT", _rtt, 5, right=True)

_NARROW: Final = (_PROCESS, _PORT, _ARROW, _PEER, _STATE, _TX, _RX, replace(_RETRANSMITS, width=3), _RTT)
_WIDE: Final = (
    *(_PROCESS, _CONTAINER, _LOCAL, _ARROW, _PEER, _STATE),
    *(replace(_TX, width=8), replace(_RX, width=8), _RETRANSMITS, _RTT),
)


def columns_for(width: int) -> list[Column]:
    """The columns that ``width`` characters hold; what is left over goes to addresses and names."""
    columns = list(_WIDE if width >= _natural(_WIDE) else _NARROW)
    spare = width - _natural(columns)
    for title in ("PEER", "LOCAL", "PROCESS", "CONTAINER"):
        for place, column in enumerate(columns):
            if column.title == title and spare > 0:
                more = min(spare, max(0, column.widest - column.width))
                columns[place] = replace(column, width=column.width + more)
                spare -= more
    return columns


def render(second: Second, width: int, height: int, *, color: bool) -> str:
    """The frame: two header lines, what was lost if anything was, and the connections that fit."""
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=color,
        color_system="auto" if color else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    head = _header(second)
    with console.capture() as capture:
        for line in head:
            console.print(line, no_wrap=True, overflow="ellipsis")
        console.print(_table(second.top()[: max(0, height - len(head) - 1)], width))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _natural(columns: tuple[Column, ...] | list[Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1


def _header(second: Second) -> list[Text]:
    totals = second.totals
    first = Text.assemble(
        (printable(second.node), "bold"),
        f"  {time_text(second.window)}",
        f"  open {totals.open}  opened {totals.opened}  closed {totals.closed}  ",
        (f"failed {totals.failed}", "red" if totals.failed else ""),
    )
    lost = sum(loss.count for loss in second.losses)
    second_line = Text.assemble(
        f"tx {rate_text(totals.tx_bytes)}  rx {rate_text(totals.rx_bytes)}",
        f"  retransmits {totals.retransmitted_segments}  ",
        (f"lost {lost}", "bold red" if lost else "green"),
    )
    if missing := second.chunks - second.chunks_seen:
        second_line.append(f"  incomplete: {missing} of {second.chunks} chunks missing", "red")
    where = [f"{loss.stage} {loss.reason} {loss.count} {loss.unit}" for loss in second.losses]
    return [first, second_line] + ([Text(f"lost: {', '.join(where)}", "red")] if where else [])


def _table(rows: list[dict[str, Any]], width: int) -> Table:
    columns = columns_for(width)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            width=column.width,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(column.text(row, column.width)) for column in columns), style=_style(row))
    return table


def _style(row: Row) -> str:
    """Red for what went wrong, green for new connections, dim for ended ones."""
    if row["connection.failed"] or row["connection.close_reason"] in _ALARMING:
        return "red"
    if row["connection.closed"]:
        return "dim"
    return "green" if row["connection.opened"] else ""
