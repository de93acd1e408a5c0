"""Two minutes of requests between three workloads; in the second one four of ten orders fail."""

from collections import Counter

from tests.unit.store.queries.rows_store import RowsStore
from tests.unit.store.segments.made import BEGIN, second
from tests.unit.store.segments.made_requests import requests

MINUTE = 60
NOW = float(BEGIN + 2 * MINUTE)
ORDERS = {"client": 1, "server": 2, "port": 80, "method": 1, "route": 2, "ns": 1_000_000}
HOME = {"client": 3, "server": 1, "port": 8080, "method": 2, "route": 1, "status": 200, "host": 1}


def asked_in(second_: int) -> list[dict[str, int]]:
    """In the second minute four of ten orders fail."""
    bad = 4 if second_ >= MINUTE else 0
    return [
        {**ORDERS, "status": 200, "requests": 10 - bad, "evidence.both": 10 - bad},
        {**ORDERS, "status": 503, "requests": bad, "requests.failed": bad, "ns": 100_000_000},
        {**HOME, "requests": 1, "http.request.bytes": 70, "http.response.bytes": 7000},
    ][: 3 if bad else 1]


def two_minutes_of_requests() -> RowsStore:
    """With rows of the same connections, and of some without requests."""
    asked = [requests(BEGIN + at, asked_in(at), at) for at in range(2 * MINUTE)]
    rows = []
    for at in range(2 * MINUTE):
        edges: dict[tuple[int, int, int], Counter[str]] = {}
        for row in asked_in(at):
            edge = edges.setdefault((row["client"], row["server"], row["port"]), Counter())
            edge.update({name: row.get(name, 0) for name in ("requests", "requests.failed")})
        edges[1, 3, 9000] = Counter(bytes=5)
        keyed = [
            {"client": client, "server": server, "port": port, "network.transport": 6, **sums}
            for (client, server, port), sums in edges.items()
        ]
        rows.append(second(BEGIN + at, keyed, at))
    return RowsStore(rows, requests=asked)
