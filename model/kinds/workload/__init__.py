"""`--stage workloads` sums flows up by who talks to whom: one row says what a client workload had to do with a
server workload on one port in one second. Metrics and maps of services stand on these rows.

**Who is at an end** is the surest name that is known, in this order; the kind says which it was:

| kind | name | namespace |
|---|---|---|
| Kubernetes' own: `Deployment`, … | `k8s.workload.name`, `k8s.pod.name`, `k8s.service.name` | `k8s.namespace.name` |
| `ecs` | `aws.ecs.task.family` | the cluster's name |
| `compose` | `docker.compose.service` | `docker.compose.project` |
| `container` | `container.name` | |
| `systemd` | `systemd.unit` | |
| `name` | given in the configuration (`service.name`) | |
| `process` | `process.executable.name`, else `process.comm` | |
| `node` | `k8s.node.name`, else `host.name`: the machine, without a process | |
| `domain` | `server.name`, [by which clients know it](dns.md#names-for-addresses); before a name of reverse DNS | |
| `address` | the address: nothing else is known | |
| `other` | empty: pairs beyond `workloads.pairs` | |

A process that ended before its executable could be looked up goes by what it called itself, so that short-lived
ones may be there under both names (`python3.11`, `python3`).

Ends in different zones (`cloud.availability_zone`) and of different versions (`service.version`, else
`container.image.tags`) are different workloads, so that traffic between zones and a new version's failures can be
told.

**Rows add up.** Several rows of a window may be of the same pair: from several engines, or of a late second
(`window.late_s`). Add their numbers, and the counts of the same buckets of their histograms. Over all rows of a
window, bytes and connections are those of its flows; each flow's bytes count once, as the client's end reports
them, or the server's, mirrored, where it alone reports. An engine that dies leaves seconds that another joins
anew, under another `boot`: what it had published of those may come twice. Who needs sums that stay exact then
takes flows, in which each report has a name.

**Active** are connections that have a flow in this window: that moved something, changed their state, or ended. A
connection that is open and idle has no flow and so is not among them, nor is one whose connect failed. How many
are open is what was opened less what was closed, since when you count.

{columns}

### Histograms

They are OpenTelemetry's exponential histograms of scale 3: bucket *i* counts values above 2^(*i*/8) and up to
2^((*i*+1)/8) nanoseconds, so that a quantile is off by 4.5 % at most. A row has
`{"count":3,"sum":3100,"scale":3,"buckets":[79,80],"counts":[1,2]}`: the buckets that hold something, ascending,
and what each holds. To merge two, add the counts of the same bucket.
"""

import errno
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from model.arrays import Columns, Tables
from model.column import Column, derived, hidden
from model.kind import Kind, Subject
from model.kinds.delta.codes import CloseReason
from model.kinds.flow import DROPS, FLOW, REQUESTS, SIDES, FlowEvidence
from model.kinds.workload.text import TEXT
from model.rows import values as row_values
from model.subjects import WORKLOAD_STREAM, WORKLOADS, workload_token
from model.tables import HISTOGRAM, RecordType, Table, histogram_field, record_fields, stem
from model.traffic import RowTraffic, Traffic


class Workload(NamedTuple):
    """Who is at one end, as far as it matters for sums; the parts that are not known are empty.

    :param kind: what names it: a kind of Kubernetes (``Deployment``), or one of ``KINDS``.
    :param namespace: within which the name holds: of Kubernetes, an ECS cluster, a compose project.
    :param zone: the availability zone of this end.
    :param version: of the service, else its image's tag.
    """

    name: str
    kind: str
    namespace: str = ""
    zone: str = ""
    version: str = ""


#: Kinds beside those of Kubernetes, the surest first (``model.kinds.workload.names``).
KINDS: Final = (
    "ecs",
    "compose",
    "container",
    "systemd",
    "name",
    "process",
    "node",
    "domain",
    "address",
    "other",
)
#: Kinds of clients that share a subject: there may be very many of them, and nobody waits for one.
_NAMELESS: Final = ("address", "other")

#: Both ends of the row that holds what the limit of pairs left no row for.
OTHER: Final = Workload("", "other")

#: How many flows rest on what; they add up to the flow rows.
EVIDENCE: Final = {f"evidence.{grade.name.lower()}": grade for grade in FlowEvidence}

#: Why connects failed; with those of other reasons they add up to ``connections.failed``.
FAILURES: Final = {
    "connections.failed.refused": (errno.ECONNREFUSED,),
    "connections.failed.timed_out": (errno.ETIMEDOUT,),
    "connections.failed.unreachable": (
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
    ),
    "connections.failed.reset": (errno.ECONNRESET,),
    "connections.failed.gave_up": (errno.ECANCELED,),
}
_FAILED: Final = {
    name: "of these with " + ", ".join(errno.errorcode[number] for number in numbers)
    for name, numbers in FAILURES.items()
}

#: How established connections broke, by what either end says; the others ended by a FIN, or nobody saw their end.
BREAKS: Final = {
    "connections.closed.reset": (CloseReason.RST_SENT, CloseReason.RST_RECEIVED),
    "connections.closed.timed_out": (CloseReason.TIMED_OUT,),
}

#: Parts of a workload by their keys in a row, after the side.
PARTS: Final = (
    "workload.name",
    "workload.kind",
    "workload.namespace",
    "cloud.availability_zone",
    "service.version",
)
#: What rows have histograms of.
MEASURES: Final = ("rtt_ns", "connect_latency_ns")

PAIRED: Final = Table(
    "workloads",
    RecordType(OTHER),
    lambda index: record_fields(
        [(index.removesuffix("workload.index") + part, place) for place, part in enumerate(PARTS)],
        "workloads",
        index,
    ),
    "the workloads: name, kind, namespace, zone and version of each; the first is `other`",
)
HISTOGRAMS: Final = Table(
    "histograms",
    HISTOGRAM,
    lambda index: (histogram_field(stem(index), "histograms", index, f"{stem(index)}.sum"),),
    "`begins`, `buckets` and `counts`, 64 bits each: where the buckets of each histogram begin and the last one "
    "ends, and the buckets of all with what they hold",
)


def _count(name: str, meaning: str = "", unit: str = "") -> Column:
    return Column(name, "<u8", meaning, unit, over="sum")


def _total(name: str) -> Column:
    return Column(name, "<u8", "of the values in the histogram", fields=hidden, over="sum")


_COLUMNS: Final = (
    replace(FLOW.column("network.transport"), always=False),
    Column(
        "client.workload.index",
        "<u4",
        "place in the batch's table of workloads; 0: other. In rows `client.workload.name`, `client.workload.kind`, "
        "`client.workload.namespace`, `client.cloud.availability_zone`, `client.service.version`",
        table=PAIRED,
    ),
    Column("server.workload.index", "<u4", "likewise", table=PAIRED),
    Column(
        "server.port",
        "<u2",
        "in rows beside it `server.port.name`: what usually listens on that port",
        always=True,
    ),
    Column("window.late_s", "<u2", "seconds by which the row's window lies before the batch's", over="most"),
    _count("bytes", "from client to server"),
    _count("reply_bytes", "from server to client"),
    _count("retransmitted_segments", "of TCP, by both ends"),
    _count("sent_segments", "of TCP, by both ends, also those without payload and those sent again"),
    _count("datagrams", "of UDP, sent by both ends", "datagrams"),
    _count(
        "datagrams.lost",
        "of these not come to the other end, told when both ends of a [flow](udp.md) have ended",
        "datagrams",
    ),
    _count(
        "datagrams.dropped", "of UDP, that came to either end, but found its receive buffer full", "datagrams"
    ),
    _count(
        "zero_windows",
        "that were held up at the second's end because the server reads nothing (a zero window)",
        "connections",
    ),
    _count("reply_zero_windows", "likewise because the client reads nothing", "connections"),
    _count(
        "listener.overflows",
        "SYNs, and last segments of handshakes, that the server's listening socket dropped because its accept queue "
        "was full. Whose they were nobody knows: they are in rows of their own, whose client is `other`",
        "segments",
    ),
    _count(
        "listener.attempts",
        "these, and the handshakes that ended there in the same seconds",
    ),
    DROPS[0],
    Column("connections.active", "<u8", unit="connections", over="most"),
    _count("connections.opened", unit="connections"),
    _count("connections.closed", unit="connections"),
    _count("connections.closed.reset", "of these after a reset by either end", "connections"),
    _count(
        "connections.closed.timed_out", "of these because the other end no longer answered", "connections"
    ),
    _count("connections.failed", unit="connections"),
    *(_count(name, meaning, "connections") for name, meaning in _FAILED.items()),
    _count(
        "evidence.address",
        "flows that rest on [this](#evidence); the five add up to the flows of the row",
        "flows",
    ),
    *(_count(name, unit="flows") for name in EVIDENCE if name != "evidence.address"),
    _total("rtt_ns.sum"),
    Column(
        "rtt_ns.index",
        "<u4",
        "place in the batch's table of [histograms](#histograms), 0: no value. In rows `rtt_ns`: the smoothed "
        "round-trip time of each flow, as the client measured it, else the server",
        table=HISTOGRAMS,
    ),
    _total("connect_latency_ns.sum"),
    Column(
        "connect_latency_ns.index",
        "<u4",
        "in rows `connect_latency_ns`: once for each connection that was opened, and until the failure for each that "
        "failed",
        table=HISTOGRAMS,
    ),
    *REQUESTS,
)


def _moved(columns: Columns) -> RowTraffic:
    """The sums, and the mean round trip."""
    return RowTraffic(
        columns["bytes"],
        columns["reply_bytes"],
        columns["retransmitted_segments"],
        columns["rtt_ns.sum"] // np.maximum(1, columns["connections.active"]),
    )


def _by_client(_: str, columns: Columns, tables: Tables) -> Iterator[tuple[str, np.ndarray | None]]:
    """The rows of each client."""
    index = columns["client.workload.index"]
    order = np.argsort(index, kind="stable")
    numbers, begins = np.unique(index[order], return_index=True)
    same = defaultdict(list)
    for number, rows in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True):
        same[_token(tables["workloads"][number])].append(rows)
    for token, parts in same.items():
        yield token, np.sort(np.concatenate(parts))


def _token(client: Workload) -> str:
    if client.kind in _NAMELESS:
        return workload_token("", "")
    return workload_token(client.namespace, client.name)


#: What one workload had to do with another in one second.
WORKLOAD: Final = Kind(
    "workload",
    "workloads",
    _COLUMNS,
    key=("network.transport", "client.workload.index", "server.workload.index", "server.port"),
    lead=(*(f"{side}.{part}" for side in SIDES for part in PARTS), "server.port"),
    derived=(("server.port", derived("server.port.name", "server.port", row_values.port_names)),),
    subject=Subject(WORKLOADS, WORKLOAD_STREAM, _by_client),
    text=TEXT,
    traffic=Traffic(_moved, lambda columns, life: columns[f"connections.{life}"]),
    page=__doc__,
    brief=("-evidence.*", "-*.port.name"),
)
