"""Deltas as people read them: one socket a line."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.rows.words import (
    cgroup_tail,
    endpoint_text,
    printable,
    shortened,
    shortened_endpoint,
    shortened_process,
)
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, timed
from model.text.units import duration_text, rate_text, rate_word, short_number

_ARROWS: Final = {"client": "→", "server": "←"}
_PLAIN_ARROWS: Final = {"client": "->", "server": "<-"}
_ALARMING: Final = ("rst_sent", "rst_received", "timed_out", "error")


def process_text(row: Row) -> str:
    """``nginx/1234``; without an owner ``-``."""
    comm, pid = printable(row.get("process.comm", "")), row.get("process.pid", 0)
    return f"{comm or '?'}/{pid}" if comm or pid else "-"


def local_text(row: Row) -> str:
    """The socket's own end."""
    return endpoint_text(row.get("network.local.address", "?"), row.get("network.local.port", 0))


def peer_text(row: Row) -> str:
    """The other end."""
    return endpoint_text(row.get("network.peer.address", "?"), row.get("network.peer.port", 0))


def state_text(row: Row) -> str:
    """The error of a failed connect or an abnormal end, what closed the connection, or its TCP state; of UDP ``udp
    open`` and ``udp idle``."""
    reason, failed = row.get("connection.close_reason"), row.get("connection.failed")
    if (error := row.get("error.type")) and (failed or reason == "error"):
        return str(error)
    if failed:
        return "failed"
    if row.get("network.transport") == "udp":
        return f"udp {reason or 'open'}"
    if row.get("connection.closed"):
        return str(reason or "closed")
    return str(row.get("connection.state", 0))


def _rtt(row: Row) -> str:
    rtt = row.get("rtt_ns")
    return duration_text(rtt) if rtt else "-"


def _rate(name: str) -> Callable[[Row, int], str]:
    return lambda row, width: (rate_text if width > 5 else short_number)(row.get(name, 0))


def _cgroup(row: Row) -> str:
    return printable(cgroup_tail(row.get("cgroup.path", "")))


_PROCESS: Final = TextColumn(
    "PROCESS", lambda row, width: shortened_process(process_text(row), width), 14, 24
)
_CONTAINER: Final = TextColumn("CONTAINER", lambda row, width: shortened(_cgroup(row), width) or "-", 14, 28)
_PORT: Final = TextColumn("LOCAL", lambda row, _: f":{row.get('network.local.port', 0)}", 6, right=True)
_LOCAL: Final = TextColumn(
    "LOCAL", lambda row, width: shortened_endpoint(local_text(row), width), 21, 47, right=True
)
_ARROW: Final = TextColumn("", lambda row, _: _ARROWS.get(row.get("connection.role", ""), "–"), 1)
_PEER: Final = TextColumn("PEER", lambda row, width: shortened_endpoint(peer_text(row), width), 21, 47)
_STATE: Final = TextColumn("STATE", lambda row, _: state_text(row), 12)
_TX: Final = TextColumn("TX/s", _rate("tx_bytes"), 5, right=True)
_RX: Final = TextColumn("RX/s", _rate("rx_bytes"), 5, right=True)
_RETRANSMITS: Final = TextColumn(
    "RTX", lambda row, _: short_number(row.get("retransmitted_segments", 0)), 4, right=True
)
_RTT: Final = TextColumn("RTT", lambda row, _: _rtt(row), 5, right=True)

_NARROW: Final = (_PROCESS, _PORT, _ARROW, _PEER, _STATE, _TX, _RX, replace(_RETRANSMITS, width=3), _RTT)
_WIDE: Final = (
    *(_PROCESS, _CONTAINER, _LOCAL, _ARROW, _PEER, _STATE),
    *(replace(_TX, width=8), replace(_RX, width=8), _RETRANSMITS, _RTT),
)
_LIVE: Final = Layouts((_WIDE, _NARROW), ("PEER", "LOCAL", "PROCESS", "CONTAINER"))


def _style(row: Row) -> str:
    if row.get("connection.failed") or row.get("connection.close_reason") in _ALARMING:
        return "red"
    if row.get("connection.closed"):
        return "dim"
    return "green" if row.get("connection.opened") else ""


def _line(row: Row) -> str:
    words = [
        word(process_text(row)),
        word(cgroup_tail(row.get("cgroup.path", ""))),
        local_text(row),
        _PLAIN_ARROWS.get(row.get("connection.role", ""), "--"),
        peer_text(row),
        state_text(row),
        f"tx={rate_word(row.get('tx_bytes', 0))}",
        f"rx={rate_word(row.get('rx_bytes', 0))}",
        f"retransmits={row.get('retransmitted_segments', 0)}",
        f"rtt={_rtt(row)}",
    ]
    return " ".join(words)


TEXT: Final = Text(_LIVE, timed(_LIVE), _line, _style)
