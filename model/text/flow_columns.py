"""Columns of flows for tables: one connection a line, who called whom; the console's choice of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.rows.words import cgroup_tail, printable, shortened, shortened_endpoint, shortened_process
from model.text import flow_cells as cells
from model.text.columns import Column, Row, cut, fitted
from model.text.units import rate_text, short_number


def _caller(row: Row, width: int) -> str:
    """The client's process; else its address, whose port says nothing."""
    if process := cells.process_text(row, "client"):
        return shortened_process(process, width)
    return shortened(str(row.get("client.address", "?")), width)


def _called(row: Row, width: int) -> str:
    """The server's process, else its address, with the port."""
    if process := cells.process_text(row, "server"):
        port = f":{row.get('server.port', 0)}"
        return shortened_process(process, width - len(port)) + port
    return _address("server")(row, width)


def _process(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened_process(cells.process_text(row, side) or "-", width)


def _address(end: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened_endpoint(cells.address_text(row, end), width)


def _container(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened(_tail(row, side), width) or "-"


def _tail(row: Row, side: str) -> str:
    return printable(cgroup_tail(row.get(f"{side}.cgroup.path", "")))


def _rate(count: Callable[[Row], int]) -> Callable[[Row, int], str]:
    return lambda row, width: rate_text(count(row)) if width > 5 else short_number(count(row))


CALLER: Final = Column("CLIENT", _caller, 15, 24)
CLIENT: Final = Column("CLIENT", _process("client"), 15, 24)
CLIENT_ADDRESS: Final = Column("ADDRESS", _address("client"), 21, 47)
ARROW: Final = Column("", lambda *_: "→", 1)
CALLED: Final = Column("SERVER", _called, 21, 30)
SERVER: Final = Column("SERVER", _process("server"), 15, 24)
SERVER_ADDRESS: Final = Column("ADDRESS", _address("server"), 21, 47)
SERVICE: Final = Column(
    "SERVICE", lambda row, width: shortened_endpoint(cells.service_text(row), width), 21, 47
)
STATE: Final = Column("STATE", lambda row, width: cut(cells.state_text(row), width), 12)
TO_SERVER: Final = Column("→/s", _rate(cells.bytes_to_server), 4, right=True)
TO_CLIENT: Final = Column("←/s", _rate(cells.bytes_to_client), 4, right=True)
RETRANSMITS: Final = Column("RTX", lambda row, _: short_number(cells.retransmits(row)), 4, right=True)
RTT: Final = Column("RTT", lambda row, _: cells.rtt_text(row), 5, right=True)
EVIDENCE: Final = Column("EVIDENCE", lambda row, width: cut(str(row.get("evidence", "-")), width), 8)
_CONTAINERS: Final = [Column("CONTAINER", _container(side), 19, 28) for side in ("client", "server")]

_RATES: Final = (replace(TO_SERVER, width=8), replace(TO_CLIENT, width=8))
_NARROW: Final = (CALLER, ARROW, CALLED, STATE, TO_SERVER, TO_CLIENT, RETRANSMITS, RTT)
_MIDDLE: Final = (CALLER, ARROW, CALLED, SERVICE, STATE, *_RATES, RETRANSMITS, RTT, EVIDENCE)
_WIDE: Final = (
    *(CLIENT, _CONTAINERS[0], CLIENT_ADDRESS, ARROW, SERVER, _CONTAINERS[1], SERVER_ADDRESS),
    *(SERVICE, STATE, *_RATES, RETRANSMITS, RTT, EVIDENCE),
)
_GROW: Final = ("SERVER", "CLIENT", "CONTAINER", "ADDRESS", "SERVICE")


def columns_for(width: int) -> list[Column]:
    """The columns that ``width`` characters hold; what is left over goes to names and addresses."""
    return fitted((_WIDE, _MIDDLE, _NARROW), width, _GROW)


def style(row: Row) -> str:
    """Red for what went wrong, green for new connections, dim for ended ones."""
    if cells.alarming(row):
        return "red"
    if row.get("connection.closed"):
        return "dim"
    return "green" if row.get("connection.opened") else ""
