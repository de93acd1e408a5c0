"""Rows of what proxies passed on: from who asked the proxy to the server whose answer was given on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actors.node.upstreams import with_upstreams
from model.batch import Batch
from model.kinds.delta import Role
from model.message import decode
from model.partition import by_partition
from model.requests import UPSTREAM, Requests
from tests.nat_events import batch_of, socket_row
from tests.unit.actors.join.site import client, server
from tests.unit.actors.join.test_request_rows import counted, joiner, said

#: The proxy's connection to the server.
PROXY, BACKEND = ("10.0.0.7", 40001), ("10.0.0.8", 80)
#: The proxy's socket of it.
UP = 6


def passed(count: int) -> Requests:
    """One group: so many requests to the proxy, which were all passed on; the second entry tells that."""
    table = counted([(1, "/a", 200, count), (1, "/a", 200, count)])
    values = {"upstream": [0, 1], "histogram": [1, 0], "latency_ns": [1000, 900]}
    values |= {"before_ns": [0, 200], "upstream_ns": [0, 600]}
    columns = {
        name: np.array(values.get(name, column), column.dtype) for name, column in table.columns.items()
    }
    upstreams = np.zeros(2, UPSTREAM)
    upstreams["slot"][1], upstreams["generation"][1] = UP, 1
    return replace(table, columns=columns, upstreams=upstreams)


def of_proxy(count: int = 3) -> Batch:
    """What the proxy's node says of both its sockets."""
    down = server(process__comm="envoy", process__pid=7) | {"requests.index": 1}
    up = socket_row(PROXY, BACKEND, Role.CLIENT, socket__slot=UP, socket__generation=1, rtt_ns=5000)
    batch = batch_of([down, up], 7, node="p")
    return with_upstreams(batch.with_tables(requests=passed(count)))


def of_backend() -> Batch:
    """What the server's node says."""
    ends = socket_row(BACKEND, PROXY, Role.SERVER, socket__slot=1, socket__generation=1)
    return batch_of([ends | {"process.comm": "cart", "process.pid": 9}], 7, node="b")


def through(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The one row that has a proxy."""
    (row,) = (row for row in rows if "via.name" in row)
    return row


def test_a_row_leads_from_who_asked_to_who_answered() -> None:
    """With both connections, the proxy's process, where the time went, and the transport to the server."""
    row = through(said(joiner(), 7, of_proxy(), batch_of([client()], 7), of_backend()))
    assert (row["client.address"], row["server.address"], row["server.port"]) == ("10.0.0.5", *BACKEND)
    assert (row["server.process.comm"], row["server.process.pid"]) == ("cart", 9)
    assert (row["via.name"], row["via.process.pid"], row["via.evidence"]) == ("envoy", 7, "connection")
    assert (row["http.route"], row["requests"]) == ("/a", 3)
    assert [row[f"via.{part}_ns"] for part in ("before", "upstream", "after")] == [200, 600, 100]
    assert row["via.upstream.rtt_ns"] == 5000


def test_requests_of_the_hop_are_counted_as_without_it() -> None:
    """The row of the connection to the proxy has no proxy, and flows count each request once."""
    join = joiner()
    join.add(of_proxy())
    batches = list(join.close(7))
    rows = [row for batch in batches for row in batch.rows()]
    hop = [row for row in rows if row["kind"] == "request" and "via.name" not in row]
    assert [(row["requests"], row["server.address"]) for row in hop] == [(3, "10.1.0.1")]
    assert sum(row.get("requests", 0) for row in rows if row["kind"] == "flow") == 3


def test_the_server_is_known_by_its_address_where_another_engine_joins_its_connection() -> None:
    """Messages are divided by connection: the proxy's node has told where the other one leads."""
    whole = of_proxy()
    (mine,) = (part for _, part in by_partition(whole, 1 << 16) if part.columns["requests.index"].any())
    row = through(said(joiner(), 7, decode(mine.encode())))
    known = through(said(joiner(), 7, whole))
    assert (row["server.address"], row["server.port"], row["via.evidence"]) == (*BACKEND, "address")
    assert row["via.connection.id"] == known["via.connection.id"]
    assert "server.process.comm" not in row


@pytest.mark.parametrize("times", [1, 2])
def test_messages_keep_what_was_passed_on(times: int) -> None:
    """Over the bus, and joined with another node's."""
    batch = decode(of_proxy(5).encode())
    rows = said(joiner(), 7, batch, *([of_backend()] * (times - 1)))
    assert through(rows)["requests"] == 5
