"""One row says how often one socket asked one resolver for one name in one second: type, response code, transport.
Both ends count: `client.queries` are those whose answer the client's kernel saw, or that it gave up; `server.queries`
those that the server's saw. Each end of a chain has rows of its own: process to stub, stub to upstream.

[DNS](dns.md) says what is seen. Rows come for sockets with queries that were answered, or given up, in the second.

**Sums**: `queries` counts each query once. The end that counted queries of a connection first, the client's if both
did in the same second, counts for `queries` and what is told of them.

**Failed** are queries without an answer (`dns.response.code` `NO_ANSWER`) and those with a code other than `NOERROR`
and `NXDOMAIN`: that a name does not exist is an answer. `dns.search` are names that do not exist and that a search
list made (`db.shop.svc.cluster.local` on the way to `db`).

{columns}

Each end has these, as `client.…` and `server.…`:

{columns client}
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from model.arrays import Array
from model.column import Column, hidden
from model.kind import Kind, own_subject
from model.kinds.flow import FLOW, SIDES
from model.kinds.query_text import TEXT
from model.kinds.request import ENDS, SHARED
from model.kinds.workload import HISTOGRAMS
from model.rows import values as row_values
from model.rows.words import Capitals, words_of
from model.tables import TEXTS, Table, text_field


class ResponseCode(Capitals):
    """Response codes (IANA, DNS RCODEs)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    DSOTYPENI = 11
    BADVERS = 16
    BADKEY = 17
    BADTIME = 18
    BADMODE = 19
    BADNAME = 20
    BADALG = 21
    BADTRUNC = 22
    BADCOOKIE = 23
    HIGHER = 254
    NO_ANSWER = 255


class QuestionType(Capitals):
    """Types of questions that are usual (IANA, DNS resource record types)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    NAPTR = 35
    DS = 43
    DNSKEY = 48
    SVCB = 64
    HTTPS = 65
    ANY = 255


_TYPES, _CODES = words_of(QuestionType), words_of(ResponseCode)
#: Codes that are answers.
ANSWERED: Final = (ResponseCode.NOERROR, ResponseCode.NXDOMAIN)

NAMES: Final = Table(
    "questions",
    TEXTS,
    lambda index: (text_field("dns.question.name", "questions", index),),
    "names that were asked for; the first is empty",
)


def _duration(side: str) -> Iterator[Column]:
    name = f"dns.{side}.lookup.duration_ns"
    yield Column(f"{name}.sum", "<u8", "of the values in the histogram", fields=hidden, over="sum")
    yield Column(
        f"{name}.index",
        "<u4",
        f"place in the batch's table of [histograms](#histograms), 0: no value. In rows `{name}`: from question to "
        f"answer, as the {side}'s kernel passed them on; off by a quarter at most",
        table=HISTOGRAMS,
    )


#: What queries of one row have in common, beside who had them.
ALIKE: Final = (
    Column(
        "question.index",
        "<u4",
        "place in the batch's table of questions; 0: not known. In rows `dns.question.name`, in lower case, without "
        "the last dot; `other`: one of more names than are kept apart",
        table=NAMES,
    ),
    Column(
        "dns.question.type",
        "<u2",
        "the number of the type: 1 A, 28 AAAA, and so on; in rows its name, where it has a usual one",
        codes=QuestionType,
        values=row_values.each(lambda number: _TYPES.get(number, number)),
    ),
    Column(
        "dns.response.code",
        "<u1",
        "0 NOERROR, 1 FORMERR, 2 SERVFAIL, 3 NXDOMAIN, 4 NOTIMP, 5 REFUSED, 6 YXDOMAIN, 7 YXRRSET, 8 NXRRSET, "
        "9 NOTAUTH, 10 NOTZONE, 16 BADVERS, 23 BADCOOKIE and others of EDNS; 254 HIGHER: above 253; 255 NO_ANSWER: "
        "timed out, or the socket was closed before",
        codes=ResponseCode,
        values=row_values.each(lambda code: _CODES.get(code, code)),
        always=True,
    ),
)
#: How many, and how they went.
COUNTS: Final = (
    Column("queries", "<u8", "each counted once", "queries", over="sum", always=True),
    Column(
        "queries.failed", "<u8", "of these without an answer, or failed by the server", "queries", over="sum"
    ),
    Column("client.queries", "<u8", "that the client's kernel saw", "queries", over="sum"),
    Column("server.queries", "<u8", "that the server's kernel saw", "queries", over="sum"),
    Column(
        "dns.retries",
        "<u8",
        "of these that repeat one that the same process got no answer to, also on another socket",
        "queries",
        over="sum",
    ),
    Column(
        "dns.truncated",
        "<u8",
        "of these whose answer had TC: the client asks again over TCP",
        "queries",
        over="sum",
    ),
    Column(
        "dns.search",
        "<u8",
        "of these that a search list made, and whose name does not exist",
        "queries",
        over="sum",
    ),
)
#: How long they took, as each end saw it.
DURATIONS: Final = tuple(column for side in SIDES for column in _duration(side))


def failed(rcode: Array) -> np.ndarray:
    """Whether a response code is a failure; bool."""
    found: np.ndarray = ~np.isin(rcode, ANSWERED)
    return found


_COLUMNS: Final = (
    *(FLOW.column(name) for name in SHARED),
    *ALIKE,
    *COUNTS,
    *DURATIONS,
    *(FLOW.column(f"{side}.{name}") for side in SIDES for name in ENDS),
)

#: Queries of one socket that are alike, in one second.
QUERY: Final = Kind(
    "query",
    "queries",
    _COLUMNS,
    key=("connection.id", *(column.name for column in ALIKE)),
    lead=(
        *("dns.question.name", "dns.question.type", "dns.response.code", "queries"),
        *("client.address", "client.port", "server.address", "server.port", "evidence"),
    ),
    subject=own_subject("queries"),
    page=__doc__,
    text=TEXT,
    rank="queries",
)
