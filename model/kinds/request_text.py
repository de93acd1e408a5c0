"""Requests and endpoints as people read them: who asked whom for what, how often, and how it went."""

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Final

from model.kinds.flow import cells as flow_cells
from model.kinds.workload import cells
from model.requests import NO_GRPC_STATUS
from model.rows.words import printable, shortened, shortened_endpoint
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, cut, timed
from model.text.units import rate_word, short_number


class GrpcStatus(IntEnum):
    """Codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_GRPC: Final = {code.value: code.name for code in GrpcStatus}
_SIDES: Final = ("server", "client")


def method_text(row: Row) -> str:
    """``GET``; ``gRPC`` for its calls, which are all POST."""
    return "gRPC" if row.get("rpc.system") else str(row.get("http.request.method") or "-")


def code_text(row: Row) -> str:
    """``404``, ``UNAVAILABLE``; ``-`` without an answer."""
    grpc = row.get("rpc.grpc.status_code")
    if grpc is not None:
        return _GRPC.get(grpc, str(grpc))
    return str(row.get("http.response.status_code") or "-")


def answer_text(status: int, grpc_status: int) -> str:
    """``503``, ``UNAVAILABLE``; ``none`` without an answer, ``unknown`` of one whose status was not seen."""
    if grpc_status != NO_GRPC_STATUS:
        return _GRPC.get(grpc_status, str(grpc_status))
    return {0: "none", 1: "unknown"}.get(status, str(status))


def endpoint_text(row: Row) -> str:
    """The route, behind the host if that is known."""
    return printable(f"{row.get('http.host', '')}{row.get('http.route', '')}") or "-"


def duration_text(row: Row, share: float) -> str:
    """A quantile of how long it took, as the server saw it, else the client."""
    return next(
        (
            text
            for side in _SIDES
            if (text := cells.quantile_text(row, f"http.{side}.request.duration_ns", share)) != "-"
        ),
        "-",
    )


def _code(row: Row, width: int) -> str:
    """The number of a code of gRPC where its name does not fit."""
    text = code_text(row)
    return text if len(text) <= width else str(row.get("rpc.grpc.status_code"))


def _quantile(share: float) -> Callable[[Row, int], str]:
    return lambda row, _: duration_text(row, share)


def _count(name: str) -> Callable[[Row, int], str]:
    return lambda row, _: short_number(row.get(name, 0))


def _client(row: Row, width: int) -> str:
    return shortened(flow_cells.process_text(row, "client") or str(row.get("client.address", "-")), width)


def _server(row: Row, width: int) -> str:
    if process := flow_cells.process_text(row, "server"):
        return shortened(f"{process}:{row.get('server.port', 0)}", width)
    return shortened_endpoint(flow_cells.address_text(row, "server"), width)


_WHAT: Final = (
    TextColumn("METHOD", lambda row, width: cut(method_text(row), width), 6, 7),
    TextColumn("ENDPOINT", lambda row, width: shortened(endpoint_text(row), width), 20, 60),
    TextColumn("CODE", _code, 4, 18),
)
_HOW: Final = (
    TextColumn("REQ/s", _count("requests"), 5, right=True),
    TextColumn("FAIL", _count("requests.failed"), 4, right=True),
    TextColumn("P50", _quantile(0.5), 5, right=True),
    TextColumn("P99", _quantile(0.99), 5, right=True),
)
_ARROW: Final = TextColumn("", lambda *_: "→", 1)
_ENDS: Final = (
    TextColumn("CLIENT", lambda row, width: shortened(cells.workload_text(row, "client"), width), 12, 24),
    _ARROW,
    TextColumn("SERVER", lambda row, width: shortened_endpoint(cells.called_text(row), width), 16, 28),
)
_PROCESSES: Final = (
    TextColumn("CLIENT", _client, 12, 22),
    _ARROW,
    TextColumn("SERVER", _server, 16, 26),
)
#: Who gets what is left over.
_GROW: Final = ("METHOD", "SERVER", "CLIENT", "ENDPOINT", "CODE")


def _layouts(client: TextColumn, arrow: TextColumn, server: TextColumn) -> Layouts:
    whole = (client, arrow, server, *_WHAT, *_HOW)
    narrow = (replace(server, width=12), *_WHAT, *_HOW[:2])
    return Layouts(
        (whole, (client, arrow, server, *_WHAT, *_HOW[:2]), (server, *_WHAT, *_HOW), narrow), _GROW
    )


def _line(client: Callable[[Row], str], server: Callable[[Row], str]) -> Callable[[Row], str]:
    def line(row: Row) -> str:
        words = [word(client(row)), "->", word(server(row)), method_text(row), word(endpoint_text(row))]
        words += [word(code_text(row)), f"requests={row.get('requests', 0)}"]
        words += [f"failed={row.get('requests.failed', 0)}"]
        words += [f"to_server={rate_word(row.get('http.request.bytes', 0))}"]
        words += [f"to_client={rate_word(row.get('http.response.bytes', 0))}"]
        return " ".join([*words, f"duration={','.join(duration_text(row, share) for share in (0.5, 0.99))}"])

    return line


def _style(row: Row) -> str:
    return "red" if row.get("requests.failed") else ""


_OF_ENDPOINTS: Final = _layouts(*_ENDS)
_OF_REQUESTS: Final = _layouts(*_PROCESSES)
_WIDE: Final = 200

#: Of rows of kind ``endpoint``.
ENDPOINT_TEXT: Final = Text(
    _OF_ENDPOINTS,
    timed(_OF_ENDPOINTS),
    _line(lambda row: cells.workload_text(row, "client"), cells.called_text),
    _style,
)
#: Of rows of kind ``request``.
REQUEST_TEXT: Final = Text(
    _OF_REQUESTS,
    timed(_OF_REQUESTS),
    _line(lambda row: _client(row, _WIDE), lambda row: _server(row, _WIDE)),
    _style,
)
