"""Queries of DNS as people read them: who asked whom for which name, and what came of it."""

from collections.abc import Callable
from typing import Final

from model.kinds.flow import cells as flow_cells
from model.kinds.workload import cells
from model.rows.words import endpoint_text, printable, shortened, shortened_endpoint
from model.text.plain import word
from model.text.table import Layouts, Row, Text, TextColumn, cut, timed
from model.text.units import short_number

_SIDES: Final = ("client", "server")


def name_text(row: Row) -> str:
    """The name that was asked for."""
    return printable(str(row.get("dns.question.name") or "")) or "-"


def client_text(row: Row) -> str:
    """``curl/4711``, else the address."""
    return flow_cells.process_text(row, "client") or str(row.get("client.address", "-"))


def resolver_text(row: Row) -> str:
    """Where the query was sent to, which tells more than who answers there."""
    return endpoint_text(str(row.get("server.address", "-")), row.get("server.port", 0))


def duration_text(row: Row, share: float) -> str:
    """A quantile of the time to the answer, as the client saw it, else the server."""
    texts = (cells.quantile_text(row, f"dns.{side}.lookup.duration_ns", share) for side in _SIDES)
    return next((text for text in texts if text != "-"), "-")


def _count(name: str) -> Callable[[Row, int], str]:
    return lambda row, _: short_number(row.get(name, 0))


def _quantile(share: float) -> Callable[[Row, int], str]:
    return lambda row, _: duration_text(row, share)


def _said(name: str) -> Callable[[Row, int], str]:
    return lambda row, width: cut(str(row.get(name, "-")), width)


_CLIENT: Final = TextColumn("CLIENT", lambda row, width: shortened(client_text(row), width), 14, 24)
_ARROW: Final = TextColumn("", lambda *_: "→", 1)
_RESOLVER: Final = TextColumn(
    "RESOLVER", lambda row, width: shortened_endpoint(resolver_text(row), width), 16, 47
)
_TRANSPORT: Final = TextColumn("", _said("network.transport"), 3)
_NAME: Final = TextColumn("NAME", lambda row, width: shortened(name_text(row), width), 20, 60)
_TYPE: Final = TextColumn("TYPE", _said("dns.question.type"), 5)
_CODE: Final = TextColumn("CODE", _said("dns.response.code"), 9)
_COUNT: Final = TextColumn("QRY/s", _count("queries"), 5, right=True)
_TIMES: Final = (
    TextColumn("RETRY", _count("dns.retries"), 5, right=True),
    TextColumn("P50", _quantile(0.5), 5, right=True),
    TextColumn("P99", _quantile(0.99), 5, right=True),
)

_LAYOUTS: Final = Layouts(
    (
        (_CLIENT, _ARROW, _RESOLVER, _TRANSPORT, _NAME, _TYPE, _CODE, _COUNT, *_TIMES),
        (_CLIENT, _NAME, _TYPE, _CODE, _COUNT, *_TIMES),
        (_CLIENT, _NAME, _TYPE, _CODE, _COUNT, _TIMES[1]),
        (_NAME, _TYPE, _CODE, _COUNT),
    ),
    ("NAME", "CLIENT", "RESOLVER"),
)


def _line(row: Row) -> str:
    words = [
        *(word(client_text(row)), "->", resolver_text(row), str(row.get("network.transport") or "-")),
        *(
            word(name_text(row)),
            str(row.get("dns.question.type", "-")),
            str(row.get("dns.response.code", "-")),
        ),
        *(f"{name.rpartition('.')[2]}={row.get(name, 0)}" for name in ("queries", "queries.failed")),
        *(f"{name.rpartition('.')[2]}={row.get(name, 0)}" for name in ("dns.retries", "dns.truncated")),
        f"duration={','.join(duration_text(row, share) for share in (0.5, 0.99))}",
    ]
    return " ".join(words)


def _style(row: Row) -> str:
    return "red" if row.get("queries.failed") else "dim" if row.get("dns.response.code") == "NXDOMAIN" else ""


#: Of rows of kind ``query``.
TEXT: Final = Text(_LAYOUTS, timed(_LAYOUTS), _line, _style)
