"""A second as a table for a terminal of a given width; the only module that imports rich."""

from collections.abc import Callable
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from model.rows.words import printable
from model.text.table import Row, TextColumn
from model.text.units import rate_text
from sinks.console.plain import time_text
from sinks.console.summary import WindowSummary


def render(summary: WindowSummary, width: int, height: int, *, color: bool) -> str:
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
    head = _header(summary)
    text = summary.kind.reading
    with console.capture() as capture:
        for line in head:
            console.print(line, no_wrap=True, overflow="ellipsis")
        rows = summary.top()[: max(0, height - len(head) - 1)]
        console.print(_table(rows, text.live.fitted(width), text.style))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _header(summary: WindowSummary) -> list[Text]:
    totals, traffic = summary.totals, summary.kind.traffic
    first = Text.assemble((printable(summary.node), "bold"), f"  {time_text(summary.window)}")
    second_line = Text()
    if rank := summary.kind.rank:
        first.append(f"  rows {totals.rows}  {rank} {totals.opened}  ")
        if summary.failed:
            first.append(f"failed {totals.failed}", "red" if totals.failed else "")
    elif traffic:
        opened, sent, received = traffic.titles
        first.append(f"  {opened} {totals.open}  opened {totals.opened}  closed {totals.closed}  ")
        first.append(f"failed {totals.failed}", "red" if totals.failed else "")
        second_line.append(f"{sent} {rate_text(totals.tx_bytes)}  {received} {rate_text(totals.rx_bytes)}")
        second_line.append(f"  retransmits {totals.retransmitted_segments}  ")
    else:
        first.append(f"  {summary.kind.plural} {totals.rows}")
    lost = sum(loss.count for loss in summary.losses)
    second_line.append(f"lost {lost}", "bold red" if lost else "green")
    if missing := summary.chunks - summary.chunks_seen:
        second_line.append(f"  incomplete: {missing} of {summary.chunks} chunks missing", "red")
    where = [f"{loss.stage} {loss.reason} {loss.count} {loss.unit}" for loss in summary.losses]
    return [first, second_line] + ([Text(f"lost: {', '.join(where)}", "red")] if where else [])


def _table(rows: list[dict[str, Any]], columns: list[TextColumn], style: Callable[[Row], str]) -> Table:
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
