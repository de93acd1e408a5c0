"""The console's columns of deltas: one socket a line."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.kinds.delta import CloseReason, Role
from model.rows.words import cgroup_tail, printable, shortened, shortened_endpoint, shortened_process
from model.text.columns import Column, Row, fitted
from model.text.delta_cells import local_text, peer_text, process_text, state_text
from model.text.units import duration_text, rate_text, short_number

_ARROWS: Final = {Role.CLIENT: "→", Role.SERVER: "←"}
_ALARMING: Final = (CloseReason.RST_SENT, CloseReason.RST_RECEIVED, CloseReason.TIMED_OUT, CloseReason.ERROR)


def _rtt(row: Row, _: int) -> str:
    return duration_text(row["rtt_ns"]) if row["rtt_ns"] else "-"


def _rate(name: str) -> Callable[[Row, int], str]:
    return lambda row, width: rate_text(row[name]) if width > 5 else short_number(row[name])


def _container(row: Row, width: int) -> str:
    return shortened(printable(cgroup_tail(row["cgroup.path"])), width) or "-"


_PROCESS: Final = Column("PROCESS", lambda row, width: shortened_process(process_text(row), width), 14, 24)
_CONTAINER: Final = Column("CONTAINER", _container, 14, 28)
_PORT: Final = Column("LOCAL", lambda row, _: f":{row['network.local.port']}", 6, right=True)
_LOCAL: Final = Column(
    "LOCAL", lambda row, width: shortened_endpoint(local_text(row), width), 21, 47, right=True
)
_ARROW: Final = Column("", lambda row, _: _ARROWS.get(row["connection.role"], "–"), 1)
_PEER: Final = Column("PEER", lambda row, width: shortened_endpoint(peer_text(row), width), 21, 47)
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
    return fitted((_WIDE, _NARROW), width, ("PEER", "LOCAL", "PROCESS", "CONTAINER"))


def style(row: Row) -> str:
    """Red for what went wrong, green for new connections, dim for ended ones."""
    if row["connection.failed"] or row["connection.close_reason"] in _ALARMING:
        return "red"
    if row["connection.closed"]:
        return "dim"
    return "green" if row["connection.opened"] else ""
