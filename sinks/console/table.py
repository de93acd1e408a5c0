"""A second as a table for a terminal of a given width; the only module that imports rich."""

from collections.abc import Callable
from io import StringIO
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.rows.words import printable
from model.text import delta_columns, flow_columns, workload_columns
from model.text.columns import Column, Row
from model.text.units import rate_text
from sinks.console.plain import time_text
from sinks.console.summary import Second

_COLUMNS: Final = {"deltas": delta_columns, "flows": flow_columns, "workloads": workload_columns}


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
    kind = _COLUMNS[second.stage]
    with console.capture() as capture:
        for line in head:
            console.print(line, no_wrap=True, overflow="ellipsis")
        rows = second.top()[: max(0, height - len(head) - 1)]
        console.print(_table(rows, kind.columns_for(width), kind.style))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _header(second: Second) -> list[Text]:
    totals = second.totals
    of_sockets = second.stage == "deltas"
    opened = "open" if of_sockets else "open sockets"
    sent, received = ("tx", "rx") if of_sockets else ("→", "←")
    first = Text.assemble(
        (printable(second.node), "bold"),
        f"  {time_text(second.window)}",
        f"  {opened} {totals.open}  opened {totals.opened}  closed {totals.closed}  ",
        (f"failed {totals.failed}", "red" if totals.failed else ""),
    )
    lost = sum(loss.count for loss in second.losses)
    second_line = Text.assemble(
        f"{sent} {rate_text(totals.tx_bytes)}  {received} {rate_text(totals.rx_bytes)}",
        f"  retransmits {totals.retransmitted_segments}  ",
        (f"lost {lost}", "bold red" if lost else "green"),
    )
    if missing := second.chunks - second.chunks_seen:
        second_line.append(f"  incomplete: {missing} of {second.chunks} chunks missing", "red")
    where = [f"{loss.stage} {loss.reason} {loss.count} {loss.unit}" for loss in second.losses]
    return [first, second_line] + ([Text(f"lost: {', '.join(where)}", "red")] if where else [])


def _table(rows: list[dict[str, Any]], columns: list[Column], style: Callable[[Row], str]) -> Table:
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
        table.add_row(*(Text(column.text(row, column.width)) for column in columns), style=style(row))
    return table
