"""One row says how often one connection had requests of one kind in one second: method, route, status. Both ends
count: `client.requests` are those that the client's kernel saw from a request's head to its answer's,
`server.requests` those that the server's saw. Rows come for connections with requests that were answered, or given
up, in the second.

**HTTP/1 in clear text** is what is seen, whatever the port. What is encrypted, or HTTP/2, has no rows. Of a request
nothing leaves the kernel but its method, its path up to `?`, and its status: no query, no other field, no body.

**Routes** are paths whose parts that differ from request to request are `*`: numbers, ids, dates, addresses, long
words and whatever looks like a token, already in the kernel. `http.rules` gives routes names of your own, such as
`/users/{id}`. At a place of a path where more than `http.children` different words were seen, all but the frequent
ones are `*` from then on. What is beyond `http.paths` and `http.routes` is `other`.

**Sums**: `requests` counts each request once: as the client's end counted it, else, where the client does not report,
the server's. A request that was answered at the end of one second and whose answer was read at the beginning of the
next is in the server's count of the first, and in the client's of the second.

{columns}

Each end has these, as `client.…` and `server.…`:

{columns client}
"""

from collections.abc import Iterator
from typing import Final

from model.column import Column, hidden
from model.kind import Kind, own_subject
from model.kinds.flow import FLOW, SIDES
from model.kinds.workload import HISTOGRAMS
from model.rows.words import Capitals
from model.tables import TEXTS, Table, text_field


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


#: The route of what is beyond the limits.
OTHER: Final = "other"
#: From here on an answer is the server's failure.
SERVER_ERRORS: Final = 500

ROUTES: Final = Table(
    "routes", TEXTS, lambda index: (text_field("http.route", "routes", index),), "routes; the first is empty"
)
#: What a request has of its flow.
SHARED: Final = (
    *("connection.id", "network.transport", "network.type", "client.address", "client.port"),
    *("service.address", "service.port", "server.address", "server.port"),
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


_COLUMNS: Final = (
    *(FLOW.column(name) for name in SHARED),
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
        "place in the batch's table of routes; 0: it has none (CONNECT), or was not seen. In rows `http.route`",
        table=ROUTES,
    ),
    Column(
        "http.response.status_code",
        "<u2",
        "0: the connection ended without an answer",
        always=True,
    ),
    Column("requests", "<u8", "each counted once", "requests", over="sum", always=True),
    Column("requests.failed", "<u8", "of these without an answer, or with 500 and above", over="sum"),
    Column("client.requests", "<u8", "that the client's kernel saw answered", over="sum"),
    Column("server.requests", "<u8", "that the server's kernel saw answered", over="sum"),
    *(column for side in SIDES for column in _duration(side)),
    *(FLOW.column(f"{side}.{name}") for side in SIDES for name in ENDS),
)

#: Requests of one connection that are alike, in one second.
REQUEST: Final = Kind(
    "request",
    "requests",
    _COLUMNS,
    key=("connection.id", "http.request.method", "route.index", "http.response.status_code"),
    lead=(
        *("http.request.method", "http.route", "http.response.status_code", "requests"),
        *("client.address", "client.port", "server.address", "server.port", "evidence"),
    ),
    subject=own_subject("requests"),
    page=__doc__,
)
