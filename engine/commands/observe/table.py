"""Flows and workloads as text: one aligned line each for a width, or one JSON object each."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from model.messages import Flow
from model.rows.words import printable, shortened
from model.subjects import PUBLIC_FLOWS, Public
from model.text import flow_columns, workload_columns
from model.text.columns import Column, Row, fitted
from model.text.flow_columns import (
    ARROW,
    CALLED,
    CALLER,
    CLIENT,
    CLIENT_ADDRESS,
    EVIDENCE,
    RETRANSMITS,
    RTT,
    SERVER,
    SERVER_ADDRESS,
    SERVICE,
    STATE,
)


def _time(row: Row, _: int) -> str:
    """The row's own second."""
    window = row["window"] - row.get("window.late_s", 0)
    return datetime.fromtimestamp(window, UTC).strftime("%H:%M:%S")


def _node(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened(printable(row.get(f"{side}.node", "-")), width)


_TIME: Final = Column("TIME", _time, 8)
_CLIENT_NODE: Final = Column("NODE", _node("client"), 8, 20)
_SERVER_NODE: Final = Column("NODE", _node("server"), 8, 20)
_BYTES: Final = (replace(flow_columns.TO_SERVER, title="→"), replace(flow_columns.TO_CLIENT, title="←"))

_NARROW: Final = (_TIME, CALLER, ARROW, CALLED, STATE, *_BYTES, EVIDENCE)
_MIDDLE: Final = (_TIME, CALLER, ARROW, CALLED, SERVICE, STATE, *_BYTES, RTT, EVIDENCE)
_NODES: Final = (_MIDDLE[0], _CLIENT_NODE, *_MIDDLE[1:3], _SERVER_NODE, *_MIDDLE[3:])
_WIDE: Final = (
    *(_TIME, _CLIENT_NODE, CLIENT, CLIENT_ADDRESS, ARROW, _SERVER_NODE, SERVER, SERVER_ADDRESS),
    *(SERVICE, STATE, *_BYTES, RETRANSMITS, RTT, EVIDENCE),
)
_GROW: Final = ("SERVER", "CLIENT", "NODE", "ADDRESS", "SERVICE")


def columns_for(width: int) -> list[Column]:
    """The columns that ``width`` characters, at least 80, hold."""
    return fitted((_WIDE, _NODES, _MIDDLE, _NARROW), width, _GROW)


class FlowTable:
    """Flows, or workloads, as lines of a table, the titles before the first."""

    def __init__(self, width: int, public: Public = PUBLIC_FLOWS) -> None:
        if public == PUBLIC_FLOWS:
            self._columns = columns_for(width)
        else:
            self._columns = [_TIME, *workload_columns.columns_for(width - _TIME.width - 1)]
        self._titled = False

    def lines(self, flows: Iterable[Flow]) -> str:
        """The lines of ``flows``."""
        rows = [[column.text(_row(flow), column.width) for column in self._columns] for flow in flows]
        if rows and not self._titled:
            rows.insert(0, [column.title for column in self._columns])
            self._titled = True
        return "".join(self._line(row) for row in rows)

    def _line(self, cells: list[str]) -> str:
        padded = (
            cell.rjust(column.width) if column.right else cell.ljust(column.width)
            for cell, column in zip(cells, self._columns, strict=True)
        )
        return " ".join(padded).rstrip() + "\n"


class FlowJson:
    """Flows, or workloads, as JSON lines."""

    def __init__(self, public: Public = PUBLIC_FLOWS) -> None:
        self._kind = public.kind

    def lines(self, flows: Iterable[Flow]) -> str:
        """The lines of ``flows``."""
        objects = [_object(flow, self._kind) for flow in flows]
        return msgspec.json.Encoder().encode_lines(objects).decode()


def _row(flow: Flow) -> dict[str, Any]:
    return {"window": flow.window, **flow.row}


def _object(flow: Flow, kind: str) -> dict[str, Any]:
    head = {"kind": kind, "node": flow.node, "boot": flow.boot, "seq": flow.seq, "window": flow.window}
    return head | flow.row
