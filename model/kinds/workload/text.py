"""Workloads as people read them: one pair a line, who talks to whom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.kinds.workload import cells
from model.rows.words import shortened, shortened_endpoint
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, cut, timed
from model.text.units import rate_text, rate_word, short_number


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


CLIENT: Final = TextColumn(
    "CLIENT", lambda row, width: shortened(cells.workload_text(row, "client"), width), 15, 40
)
ARROW: Final = TextColumn("", lambda *_: "→", 1)
SERVER: Final = TextColumn(
    "SERVER", lambda row, width: shortened_endpoint(cells.called_text(row), width), 21, 46
)
TO_SERVER: Final = TextColumn("→/s", _rate("bytes"), 4, right=True)
TO_CLIENT: Final = TextColumn("←/s", _rate("reply_bytes"), 4, right=True)
ACTIVE: Final = TextColumn("ACT", _count("connections.active"), 4, right=True)
OPENED: Final = TextColumn("OPEN", _count("connections.opened"), 4, right=True)
FAILED: Final = TextColumn("FAIL", _count("connections.failed"), 4, right=True)
RETRANSMITS: Final = TextColumn("RTX", _count("retransmitted_segments"), 4, right=True)
RTT: Final = TextColumn("RTT50", _quantile("rtt_ns", 0.5), 5, right=True)
RTT_99: Final = TextColumn("RTT99", _quantile("rtt_ns", 0.99), 5, right=True)
CONNECT: Final = TextColumn("CON50", _quantile("connect_latency_ns", 0.5), 5, right=True)
CONNECT_99: Final = TextColumn("CON99", _quantile("connect_latency_ns", 0.99), 5, right=True)
_KINDS: Final = [TextColumn("KIND", _kind(side), 11) for side in ("client", "server")]
_ZONES: Final = [TextColumn("ZONE", _zone(side), 10, 14) for side in ("client", "server")]

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

_LIVE: Final = Layouts((_WIDE, _MIDDLE, _NARROW, _NARROWEST), ("SERVER", "CLIENT", "ZONE"))
_PLAIN_MEASURES: Final = {"rtt": "rtt_ns", "connect": "connect_latency_ns"}


def _line(row: Row) -> str:
    counts = ("active", "opened", "closed", "failed")
    words = [
        *(word(cells.workload_text(row, "client")), *_sort_of(row, "client"), "->"),
        *(word(cells.called_text(row)), *_sort_of(row, "server")),
        f"to_server={rate_word(row.get('bytes', 0))}",
        f"to_client={rate_word(row.get('reply_bytes', 0))}",
        *(f"{name}={row.get(f'connections.{name}', 0)}" for name in counts),
        f"retransmits={row.get('retransmitted_segments', 0)}",
        *(f"{name}={_quantiles(row, measure)}" for name, measure in _PLAIN_MEASURES.items()),
    ]
    return " ".join(words)


def _sort_of(row: Row, side: str) -> list[str]:
    return [word(cells.kind_text(row, side)), f"zone={word(cells.place_text(row, side))}"]


def _quantiles(row: Row, measure: str) -> str:
    return ",".join(cells.quantile_text(row, measure, share) for share in (0.5, 0.99))


TEXT: Final = Text(_LIVE, timed(_LIVE), _line, lambda row: "red" if row.get("connections.failed") else "")
