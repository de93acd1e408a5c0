"""The console's columns of workloads: one pair a line, who talks to whom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.rows.words import shortened, shortened_endpoint
from model.text import workload_cells as cells
from model.text.columns import Column, Row, cut, fitted
from model.text.units import rate_text, short_number


def _rate(name: str) -> Callable[[Row, int], str]:
    return lambda row, width: (rate_text if width > 5 else short_number)(row.get(name, 0))


def _count(name: str) -> Callable[[Row, int], str]:
    return lambda row, _: short_number(row.get(name, 0))


def _quantile(measure: str, share: float) -> Callable[[Row, int], str]:
    return lambda row, _: cells.quantile_text(row, measure, share)


def _kind(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: cut(cells.kind_text(row, side), width)


def _zone(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened(cells.place_text(row, side), width)


CLIENT: Final = Column(
    "CLIENT", lambda row, width: shortened(cells.workload_text(row, "client"), width), 15, 40
)
ARROW: Final = Column("", lambda *_: "→", 1)
SERVER: Final = Column("SERVER", lambda row, width: shortened_endpoint(cells.called_text(row), width), 21, 46)
TO_SERVER: Final = Column("→/s", _rate("bytes"), 4, right=True)
TO_CLIENT: Final = Column("←/s", _rate("reply_bytes"), 4, right=True)
ACTIVE: Final = Column("ACT", _count("connections.active"), 4, right=True)
OPENED: Final = Column("OPEN", _count("connections.opened"), 4, right=True)
FAILED: Final = Column("FAIL", _count("connections.failed"), 4, right=True)
RETRANSMITS: Final = Column("RTX", _count("retransmitted_segments"), 4, right=True)
RTT: Final = Column("RTT50", _quantile("rtt_ns", 0.5), 5, right=True)
RTT_99: Final = Column("RTT99", _quantile("rtt_ns", 0.99), 5, right=True)
CONNECT: Final = Column("CON50", _quantile("connect_latency_ns", 0.5), 5, right=True)
CONNECT_99: Final = Column("CON99", _quantile("connect_latency_ns", 0.99), 5, right=True)
_KINDS: Final = [Column("KIND", _kind(side), 11) for side in ("client", "server")]
_ZONES: Final = [Column("ZONE", _zone(side), 10, 14) for side in ("client", "server")]

_RATES: Final = (replace(TO_SERVER, width=8), replace(TO_CLIENT, width=8))
_COUNTS: Final = (OPENED, FAILED, RETRANSMITS)
_TIMES: Final = (RTT, RTT_99, CONNECT, CONNECT_99)
_NARROW: Final = (CLIENT, ARROW, SERVER, TO_SERVER, TO_CLIENT, *_COUNTS, RTT, RTT_99)
_NARROWEST: Final = _NARROW[:-1]
_MIDDLE: Final = (CLIENT, ARROW, SERVER, *_RATES, ACTIVE, *_COUNTS, *_TIMES)
_WIDE: Final = (
    *(CLIENT, _KINDS[0], _ZONES[0], ARROW, SERVER, _KINDS[1], _ZONES[1]),
    *(*_RATES, ACTIVE, *_COUNTS, *_TIMES),
)


def columns_for(width: int) -> list[Column]:
    """The columns that ``width`` characters hold; what is left over goes to names."""
    return fitted((_WIDE, _MIDDLE, _NARROW, _NARROWEST), width, ("SERVER", "CLIENT", "ZONE"))


def style(row: Row) -> str:
    """Red where connects failed."""
    return "red" if row.get("connections.failed") else ""
