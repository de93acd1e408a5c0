"""One row says how often one connection had requests of one kind in one second: method, route, status. Both ends
count: `client.requests` are those that the client's kernel saw from a request's head to its answer's,
`server.requests` those that the server's saw. Rows come for connections with requests that were answered, or given
up, in the second.

[HTTP](http.md) says what is seen. Of a request nothing goes on but its method, its path up to `?`, its host if that
is wanted, its status, and how many bytes it and its answer had: no query, no other field, no body.

**Routes** are paths whose parts that differ from request to request are `*`: numbers, ids, dates, addresses, long
words and whatever looks like a token, already in the kernel. `http.rules` gives routes names of your own, such as
`/users/{id}`. At a place of a path where more than `http.children` different words were seen, all but the frequent
ones are `*` from then on. What is beyond `http.paths` and `http.routes` is `other`.

**Sums**: `requests` counts each request once. The end that counted requests of a connection first, the client's if
both did in the same second, counts for `requests`, `requests.failed` and bytes as long as the connection lives; what
the other end counted is in its own column. A request that was answered at the end of one second and whose answer was
read at the beginning of the next is in the server's column in the first, and in the client's in the second.

**Proxies** (`via.…`): a request that an Envoy passed on is two, each in rows of its connection, as ever. A row more,
with `via.name`, leads from who asked to who answered ([requests through an Envoy](envoy.md)). Whoever sums requests
up leaves rows with `via.name` out, or takes them alone.

**Failed** are requests without an answer (status 0), those with a status of 500 and above, and calls of gRPC that
ended with one of the codes that are the server's fault by OpenTelemetry's conventions: 2 UNKNOWN,
4 DEADLINE_EXCEEDED, 12 UNIMPLEMENTED, 13 INTERNAL, 14 UNAVAILABLE, 15 DATA_LOSS.

{columns}

Each end has these, as `client.…` and `server.…`:

{columns client}
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Array, Columns
from model.column import Column, hidden, where
from model.kind import Kind, own_subject
from model.kinds.flow import FLOW, SIDES
from model.kinds.request_text import REQUEST_TEXT
from model.kinds.workload import HISTOGRAMS
from model.requests import NO_GRPC_STATUS
from model.rows import values as row_values
from model.rows.words import Capitals
from model.tables import TEXTS, RecordType, Table, record_fields, text_field
from model.traffic import RowTraffic, Traffic


class HttpMethod(Capitals):
    """Methods as the probe numbers them (``enum http_method``)."""

    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    HEAD = 5
    OPTIONS = 6
    PATCH = 7
    CONNECT = 8
    TRACE = 9


class Via(NamedTuple):
    """A proxy that a request came through.

    :param name: as a workload is named: ``shop/gateway``.
    :param cluster: to which the proxy sent it, by the proxy's own configuration; empty if that is not known.
    """

    name: str = ""
    cluster: str = ""


class ViaEvidence(IntEnum):
    """How it is known who the server behind a proxy is."""

    ADDRESS = 1
    CONNECTION = 2


#: The route of what is beyond the limits.
OTHER: Final = "other"
#: From here on an answer is the server's failure.
SERVER_ERRORS: Final = 500
#: Codes of gRPC that are the server's failure.
GRPC_ERRORS: Final = (2, 4, 12, 13, 14, 15)
#: Protocols as the probe numbers them, with ``network.protocol.version`` and ``rpc.system``.
GRPC: Final = 3
PROTOCOLS: Final = {1: (b"1.1", b""), 2: (b"2", b""), GRPC: (b"2", b"grpc")}

ROUTES: Final = Table(
    "routes", TEXTS, lambda index: (text_field("http.route", "routes", index),), "routes; the first is empty"
)
HOSTS: Final = Table(
    "hosts", TEXTS, lambda index: (text_field("http.host", "hosts", index),), "hosts; the first is empty"
)
VIAS: Final = Table(
    "vias",
    RecordType(Via()),
    lambda index: record_fields((("via.name", 0), ("via.cluster", 1)), "vias", index),
    "proxies: name and cluster of each; the first is none",
)
#: What a request has of its flow.
SHARED: Final = (
    *("connection.id", "network.transport", "network.type", "client.address", "client.port"),
    *("service.address", "service.port", "server.address", "server.port", "server.name.index"),
    *("nat.index", "evidence", "window.late_s"),
)
#: What it has of each end.
ENDS: Final = ("node.index", "process.pid", "process.comm", "cgroup.index", "entity.index")


def _duration(side: str) -> Iterator[Column]:
    name = f"http.{side}.request.duration_ns"
    yield Column(f"{name}.sum", "<u8", "of the values in the histogram", fields=hidden, over="sum")
    yield Column(
        f"{name}.index",
        "<u4",
        f"place in the batch's table of [histograms](#histograms), 0: no value. In rows `{name}`: from the head of "
        f"the request to the head of its answer, as the {side}'s kernel passed them on; off by a quarter at most",
        table=HISTOGRAMS,
    )


#: What requests of one row have in common, beside who had them.
ALIKE: Final = (
    Column(
        "network.protocol.version",
        "S4",
        "of HTTP: `1.1` (also for 1.0) or `2`; empty if that is not known",
    ),
    Column(
        "http.request.method",
        "<u1",
        "1 GET, 2 POST, 3 PUT, 4 DELETE, 5 HEAD, 6 OPTIONS, 7 PATCH, 8 CONNECT, 9 TRACE; 0: an answer whose request "
        "was not seen",
        codes=HttpMethod,
    ),
    Column(
        "route.index",
        "<u4",
        "place in the batch's table of routes; 0: it has none (CONNECT), or was not seen. In rows `http.route`; of "
        "gRPC `/package.Service/Method`",
        table=ROUTES,
    ),
    Column(
        "host.index",
        "<u4",
        "place in the batch's table of hosts: whom the client asked for; 0: not known, or not wanted. In rows "
        "`http.host`",
        table=HOSTS,
    ),
    Column(
        "http.response.status_code",
        "<u2",
        "0: the connection ended, or the request was given up, without an answer; 1: it was answered, but its status "
        "was not seen ([HTTP/2](http.md#http2-and-grpc) that was open before)",
        always=True,
    ),
    Column("rpc.system", "S8", "`grpc`, or empty"),
    Column(
        "rpc.grpc.status_code",
        "<u1",
        "0 OK, 1 CANCELLED, 2 UNKNOWN, 3 INVALID_ARGUMENT, 4 DEADLINE_EXCEEDED, 5 NOT_FOUND, 6 ALREADY_EXISTS, "
        "7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 9 FAILED_PRECONDITION, 10 ABORTED, 11 OUT_OF_RANGE, "
        "12 UNIMPLEMENTED, 13 INTERNAL, 14 UNAVAILABLE, 15 DATA_LOSS, 16 UNAUTHENTICATED; 255: none, or it was not "
        "seen",
        default=NO_GRPC_STATUS,
        fields=lambda name: (where(name, lambda columns: np.not_equal(columns[name], NO_GRPC_STATUS)),),
    ),
    Column(
        "via.index",
        "<u4",
        "place in the batch's table of proxies; 0: none that is known. In rows `via.name` and `via.cluster`: the "
        "proxy that the request came through, and what it calls those that it sent it to",
        table=VIAS,
    ),
)
#: How many, and how they went.
COUNTS: Final = (
    Column("requests", "<u8", "each counted once", "requests", over="sum", always=True),
    Column(
        "requests.failed",
        "<u8",
        "of these without an answer, or failed by the server",
        "requests",
        over="sum",
    ),
    Column("client.requests", "<u8", "that the client's kernel saw answered", "requests", over="sum"),
    Column("server.requests", "<u8", "that the server's kernel saw answered", "requests", over="sum"),
    Column("http.request.bytes", "<u8", "of these requests, heads and bodies", over="sum"),
    Column("http.response.bytes", "<u8", "of their answers", over="sum"),
)
#: Of what a proxy passed on: the sums over ``requests`` of where the time went.
VIA_TIMES: Final = tuple(
    Column(f"via.{part}_ns", "<u8", text, over="sum")
    for part, text in (
        (
            "before",
            "of requests that a proxy passed on: from the head that it got until the head that it sent",
        ),
        ("upstream", "from then on until the answer's head was there"),
        ("after", "from then on until it had sent the answer's head on"),
    )
)
#: How long they took, as each end saw it.
DURATIONS: Final = tuple(column for side in SIDES for column in _duration(side))


def _moved(columns: Columns) -> RowTraffic:
    """Bytes of requests and answers, and the mean time to the answer, as the server saw it, else the client."""
    sums = [columns[f"http.{side}.request.duration_ns.sum"] for side in SIDES]
    counts = [np.maximum(1, columns[f"{side}.requests"]) for side in SIDES]
    client, server = (each // count for each, count in zip(sums, counts, strict=True))
    none = np.zeros(len(client), np.uint64)
    mean = np.where(server != 0, server, client)
    return RowTraffic(columns["http.request.bytes"], columns["http.response.bytes"], none, mean)


_LIVES: Final = {"opened": "requests", "failed": "requests.failed"}


def _lives(columns: Columns, life: str) -> Array:
    if life not in _LIVES:
        return np.zeros(len(columns["requests"]), np.uint64)
    return columns[_LIVES[life]]


#: How requests are summed up: what is opened are requests.
REQUEST_TRAFFIC: Final = Traffic(_moved, _lives)

_VIA: Final = (
    Column("via.process.pid", "<u4", "the proxy's process"),
    Column("via.process.comm", "S16", "its name, padded with zeros"),
    Column(
        "via.connection.id",
        "<u8",
        "the `connection.id` of the connection from the proxy to the server; `connection.id` is that of the one to "
        "the proxy. In rows 16 hexadecimal digits",
        values=row_values.known_hexadecimals,
    ),
    Column(
        "via.evidence",
        "<u1",
        "2: the server is that of the connection behind the proxy; 1: whoever has the address that the proxy's node "
        "knows, for that connection is not known to who made the row",
        codes=ViaEvidence,
    ),
    *(
        column
        for hop, which in (("downstream", "from its client"), ("upstream", "to the server"))
        for column in (
            Column(f"via.{hop}.rtt_ns", "<u8", f"of the proxy's connection {which}, as its kernel has it"),
            Column(
                f"via.{hop}.retransmitted_segments",
                "<u8",
                "of the same in this second, with all its requests",
            ),
        )
    ),
)

#: Names of what a row has of its proxy, beside sums.
VIA: Final = ("via.index", *(column.name for column in _VIA))

_COLUMNS: Final = (
    *(FLOW.column(name) for name in SHARED),
    *ALIKE,
    *COUNTS,
    *VIA_TIMES,
    *_VIA,
    *DURATIONS,
    *(FLOW.column(f"{side}.{name}") for side in SIDES for name in ENDS),
)

#: Requests of one connection that are alike, in one second.
REQUEST: Final = Kind(
    "request",
    "requests",
    _COLUMNS,
    key=("connection.id", "via.connection.id", *(column.name for column in ALIKE)),
    lead=(
        *("http.request.method", "http.route", "http.response.status_code", "requests"),
        *("client.address", "client.port", "server.address", "server.port", "evidence"),
    ),
    subject=own_subject("requests"),
    page=__doc__,
    text=REQUEST_TEXT,
    asked=REQUEST_TRAFFIC,
    rank="requests",
)
