"""Nodes and their last heartbeats as text: a table, or one JSON object each."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.nats.heartbeats import StoredHeartbeat
from model.rows.words import printable
from model.text.units import duration_text
from sinks.console.summary import Loss, losses

_TITLES = ("NODE", "VERSION", "AGE", "CLOCK", "OPEN", "LOST", "WHERE")


def nodes_table(nodes: Sequence[StoredHeartbeat], now_ns: int) -> str:
    """One aligned line for each node."""
    rows = [_TITLES, *(_row(stored, now_ns) for stored in nodes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(_line(row, widths) for row in rows)


def nodes_json(nodes: Sequence[StoredHeartbeat], now_ns: int) -> str:
    """One object a line: the heartbeat, and what follows from it."""
    return msgspec.json.Encoder().encode_lines([_object(stored, now_ns) for stored in nodes]).decode()


def _row(stored: StoredHeartbeat, now_ns: int) -> tuple[str, ...]:
    beat, lost = stored.heartbeat, losses(stored.heartbeat.ledger)
    difference = stored.clock_difference_ns
    where = ", ".join(f"{loss.stage} {loss.reason} {loss.count}" for loss in lost) or "-"
    return (
        printable(beat.node),
        printable(beat.version),
        duration_text(max(0, now_ns - stored.stored_at_ns)),
        ("-" if difference < 0 else "+") + duration_text(abs(difference)),
        str(beat.open_sockets),
        str(_total(lost)),
        printable(where),
    )


def _line(cells: Sequence[str], widths: list[int]) -> str:
    """Numbers to the right, words to the left."""
    padded = [
        cell.rjust(width) if title in ("AGE", "CLOCK", "OPEN", "LOST") else cell.ljust(width)
        for title, cell, width in zip(_TITLES, cells, widths, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def _object(stored: StoredHeartbeat, now_ns: int) -> dict[str, Any]:
    lost = losses(stored.heartbeat.ledger)
    heartbeat: dict[str, Any] = msgspec.to_builtins(stored.heartbeat)
    return heartbeat | {
        "age_ns": now_ns - stored.stored_at_ns,
        "clock_difference_ns": stored.clock_difference_ns,
        "lost": _total(lost),
        "lost_by_reason": {f"{loss.stage}.{loss.reason}": loss.count for loss in lost},
    }


def _total(lost: list[Loss]) -> int:
    return sum(loss.count for loss in lost)
