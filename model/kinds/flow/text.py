"""Flows as people read them: one connection a line, who called whom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from model.kinds.flow import cells
from model.rows.words import cgroup_tail, printable, shortened, shortened_endpoint, shortened_process
from model.text.plain import word
from model.text.table import TIME, Layouts, Row, Text, TextColumn, cut
from model.text.units import rate_text, rate_word, short_number


def _caller(row: Row, width: int) -> str:
    """The client's process; else its address, whose port says nothing."""
    if process := cells.process_text(row, "client"):
        return shortened_process(process, width)
    return shortened(str(row.get("client.address", "?")), width)


def _called(row: Row, width: int) -> str:
    """The server's process, else the name by which the client knows it, else its address, with the port."""
    port = f":{row.get('server.port', 0)}"
    if process := cells.process_text(row, "server"):
        return shortened_process(process, width - len(port)) + port
    if name := printable(row.get("server.name", "")):
        return shortened(name, width - len(port)) + port
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


CALLER: Final = TextColumn("CLIENT", _caller, 15, 24)
CLIENT: Final = TextColumn("CLIENT", _process("client"), 15, 24)
CLIENT_ADDRESS: Final = TextColumn("ADDRESS", _address("client"), 21, 47)
ARROW: Final = TextColumn("", lambda *_: "→", 1)
CALLED: Final = TextColumn("SERVER", _called, 21, 30)
SERVER: Final = TextColumn("SERVER", _process("server"), 15, 24)
SERVER_ADDRESS: Final = TextColumn("ADDRESS", _address("server"), 21, 47)
SERVICE: Final = TextColumn(
    "SERVICE", lambda row, width: shortened_endpoint(cells.service_text(row), width), 21, 47
)
STATE: Final = TextColumn("STATE", lambda row, width: cut(cells.state_text(row), width), 12)
TO_SERVER: Final = TextColumn("→/s", _rate(cells.bytes_to_server), 4, right=True)
TO_CLIENT: Final = TextColumn("←/s", _rate(cells.bytes_to_client), 4, right=True)
RETRANSMITS: Final = TextColumn("RTX", lambda row, _: short_number(cells.retransmits(row)), 4, right=True)
RTT: Final = TextColumn("RTT", lambda row, _: cells.rtt_text(row), 5, right=True)
EVIDENCE: Final = TextColumn("EVIDENCE", lambda row, width: cut(str(row.get("evidence", "-")), width), 8)
_CONTAINERS: Final = [TextColumn("CONTAINER", _container(side), 19, 28) for side in ("client", "server")]

_RATES: Final = (replace(TO_SERVER, width=8), replace(TO_CLIENT, width=8))
_NARROW: Final = (CALLER, ARROW, CALLED, STATE, TO_SERVER, TO_CLIENT, RETRANSMITS, RTT)
_MIDDLE: Final = (CALLER, ARROW, CALLED, SERVICE, STATE, *_RATES, RETRANSMITS, RTT, EVIDENCE)
_WIDE: Final = (
    *(CLIENT, _CONTAINERS[0], CLIENT_ADDRESS, ARROW, SERVER, _CONTAINERS[1], SERVER_ADDRESS),
    *(SERVICE, STATE, *_RATES, RETRANSMITS, RTT, EVIDENCE),
)
_LIVE: Final = Layouts((_WIDE, _MIDDLE, _NARROW), ("SERVER", "CLIENT", "CONTAINER", "ADDRESS", "SERVICE"))


def _node(side: str) -> Callable[[Row, int], str]:
    return lambda row, width: shortened(printable(row.get(f"{side}.node", "-")), width)


_CLIENT_NODE: Final = TextColumn("NODE", _node("client"), 8, 20)
_SERVER_NODE: Final = TextColumn("NODE", _node("server"), 8, 20)
_BYTES: Final = (replace(TO_SERVER, title="→"), replace(TO_CLIENT, title="←"))
_PAST: Final = (TIME, CALLER, ARROW, CALLED, SERVICE, STATE, *_BYTES, RTT, EVIDENCE)
_HISTORY: Final = Layouts(
    (
        (
            *(TIME, _CLIENT_NODE, CLIENT, CLIENT_ADDRESS, ARROW, _SERVER_NODE, SERVER, SERVER_ADDRESS),
            *(SERVICE, STATE, *_BYTES, RETRANSMITS, RTT, EVIDENCE),
        ),
        (_PAST[0], _CLIENT_NODE, *_PAST[1:3], _SERVER_NODE, *_PAST[3:]),
        _PAST,
        (TIME, CALLER, ARROW, CALLED, STATE, *_BYTES, EVIDENCE),
    ),
    ("SERVER", "CLIENT", "NODE", "ADDRESS", "SERVICE"),
)


def _style(row: Row) -> str:
    if cells.alarming(row):
        return "red"
    if row.get("connection.closed"):
        return "dim"
    return "green" if row.get("connection.opened") else ""


def _line(row: Row) -> str:
    words = [
        *_end(row, "client"),
        "->",
        *_end(row, "server"),
        f"service={cells.service_text(row) or '-'}",
        cells.state_text(row),
        f"to_server={rate_word(cells.bytes_to_server(row))}",
        f"to_client={rate_word(cells.bytes_to_client(row))}",
        f"retransmits={cells.retransmits(row)}",
        f"rtt={cells.rtt_text(row)}",
        f"evidence={row['evidence']}",
    ]
    return " ".join(words)


def _end(row: Row, side: str) -> list[str]:
    container = word(cgroup_tail(row.get(f"{side}.cgroup.path", "")))
    return [word(cells.process_text(row, side)), container, cells.address_text(row, side)]


TEXT: Final = Text(_LIVE, _HISTORY, _line, _style)
