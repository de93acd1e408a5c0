"""One row says what one connection did in one second, as both of its ends saw it: what the client's kernel counted
stands under `client.`, what the server's counted under `server.`, and neither is corrected by the other. A
connection with one end on a machine without Tailrace has that end's address and port alone. Rows come for
connections of which an end moved something, changed its state or owner, or ended.

**Three addresses** tell who called (`client.address`), what it called (`service.address`), and who answered
(`server.address`). The last two are the same unless the kernel rewrote the connection on its way: port
forwarding, a Kubernetes service, a load balancer made of conntrack or IPVS. `nat` has every step.

**Sums**: each end's counters add up as those of deltas do. To count a connection once, take the client's report,
and the server's, mirrored (`server.rx_bytes` is what the client sent), where the evidence is not `both` and the
client does not report; the console does so. `client.node`, `client.boot`, `client.seq`, the socket's slot and
generation and the row's own second name a report for good, so that one that comes twice can be told; `server.`
likewise.

**Windows** are whole wall-clock seconds of the nodes. A report that comes late makes a row of its own,
`window.late_s` before the batch's window.

{columns}

Each end has these, as `client.…` and `server.…`:

{columns client}

Socket, owner, state, `connection.adopted` and `connection.mptcp.token` are there also in rows in which an end does
not report, once it has; everything else is 0 then.

A connection of MPTCP has a flow for each of its subflows, with its own addresses and bytes. Subflows of one
connection have the same `client.connection.mptcp.token` and the same `server.connection.mptcp.token`: each kernel
chooses its own.

### Evidence

| number and word | what reports | the other end |
|---|---|---|
| 5 both | both ends | |
| 4 client | the client | the server's address is one of a node that reports |
| 3 server | the server | the client's address is one of a node that reports |
| 2 nat | one end | its address was found behind a rewriting |
| 1 address | one end | the address that this end sees: another machine, or a rewriting that nobody reported |

A row says what was known when it was made; when the other end is met, later rows say `both`.

### Bytes of both ends

`bytes_unaccounted` compares two kernels: payload that the sender's knows to be acknowledged, less payload that
the receiver's has received, both since the connection was opened. While it is open the two are read at slightly
different moments, and what was received but not yet acknowledged counts below zero. **At the end of a connection
it is 0**, for TCP acknowledges what arrived. What is left then has a cause: above zero, something between the two
took the bytes and acknowledged them in the server's name (a proxy, a middlebox); below zero, acknowledgements
were lost with a reset or time-out. It is 0 also where nothing can be said: one end alone reports, or one was open
before Tailrace started.

Of [UDP](udp.md) nothing is acknowledged: what one end sent less what arrived at the other is told once, in the row
with the end of both, and is then what was lost on the way, or, below zero, what the network sent twice. So is
`datagrams_unaccounted`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from model.arrays import Columns, Tables
from model.column import Column, Over, derived
from model.kind import Kind, Subject
from model.kinds.delta import BRIEF, CHAINS, COUNTERS, DELTA, NameEvidence
from model.kinds.delta.tables import NAMES
from model.kinds.drop import DROPPED
from model.kinds.flow.codes import CLIENT, NOWHERE, SERVER, SIDES, FlowEvidence, Node
from model.kinds.flow.fields import end_generations, end_seqs, end_slots
from model.kinds.flow.text import TEXT
from model.kinds.flow.traffic import TRAFFIC
from model.rows import values as row_values
from model.subjects import FLOW_STREAM, FLOWS, node_token
from model.tables import RecordType, Table, record_fields

__all__ = [
    "CLIENT",
    "DROPS",
    "END_COLUMNS",
    "FLOW",
    "GAUGES",
    "NODES",
    "NOWHERE",
    "OWNER",
    "REQUESTS",
    "SERVER",
    "SIDES",
    "STANDING",
    "FlowEvidence",
    "Node",
]

#: What a delta row and a flow's end say under the same name; each end has them as ``client.NAME``, ``server.NAME``.
GAUGES: Final = ("rtt_ns", "rtt_min_ns", "cwnd_segments", "delivery_rate_bytes_per_second", "zero_window")
#: Who is at an end; also there in seconds in which this end does not report, once it has.
OWNER: Final = (
    "socket.slot",
    "socket.generation",
    "netns.id",
    "process.pid",
    "process.comm",
    "user.id",
    "cgroup.id",
    "cgroup.index",
    "entity.index",
    "owner.evidence",
)
#: How this end of the connection stands.
STANDING: Final = (
    "connection.state",
    "connection.opened",
    "connection.closed",
    "connection.close_reason",
    "connection.adopted",
    "connection.mptcp.token",
    "nat.evidence",
    "tls.visibility",
    "error.errno",
)

NODES: Final = Table(
    "nodes",
    RecordType(NOWHERE),
    lambda index: record_fields(
        [(index.removesuffix("node.index") + part, place) for place, part in enumerate(("node", "boot"))],
        "nodes",
        index,
    ),
    "the nodes that report: name and boot of each; the first is nobody",
)


#: What connections had of requests, and of queries of DNS.
REQUESTS: Final = (
    Column("requests", "<u8", "of HTTP, each counted [once](#requests)", "requests", over="sum"),
    Column(
        "requests.failed",
        "<u8",
        "of these without an answer, or failed by the server",
        "requests",
        over="sum",
    ),
    Column(
        "requests.duration_ns",
        "<u8",
        "of these together, each from its head to that of its answer, as the end that counted them saw it",
        over="sum",
    ),
    Column("queries", "<u8", "of DNS, each counted [once](#queries)", "queries", over="sum"),
    Column(
        "queries.failed",
        "<u8",
        "of these without an answer, or failed by the server; that a name does not exist is no failure",
        "queries",
        over="sum",
    ),
)

#: What connections lost on their way.
DROPS: Final = (
    Column(
        "dropped_segments",
        "<u8",
        "packets of the connection that the kernel of any node dropped, in any namespace, since the last row",
        over="sum",
    ),
    Column(
        "drop.index",
        "<u4",
        "place in the batch's table of reasons for which packets were dropped; 0: none was, as far as is known. In "
        "rows `drop.message` (`dropped by netfilter in namespace 4026532301 of node-7, hook FORWARD`) and its parts, "
        "why a connect timed out. Of several reasons one stands there: a connection's sums by reason are right "
        "but for the drops of one row. In a row without `dropped_segments` it is that of an earlier one",
        table=DROPPED,
        over="known",
    ),
)

_HEAD: Final = (
    Column(
        "connection.id",
        "<u8",
        "from the addresses and ports after all rewriting: the same in every row, engine and run, but where a "
        "rewriting is learnt later, which `connection.previous_id` tells. A tuple that is used again has the same "
        "one: tell them apart by `connection.opened_at_ns`. In rows 16 hexadecimal digits",
        values=row_values.hexadecimals,
        always=True,
    ),
    Column(
        "connection.previous_id",
        "<u8",
        "the `connection.id` in the connection's rows before this one, from the tuple that its client knew: its "
        "rewriting was learnt just now. An engine that has no row of the connection yet, because its tuple or its "
        "partition moved there, tells that of the connection's first row, though another engine may have told it "
        "before. 0 in all other rows",
        values=row_values.known_hexadecimals,
        over="known",
    ),
    DELTA.column("network.transport"),
    DELTA.column("network.type"),
    DELTA.column("network.cast"),
    DELTA.column("network.folded"),
    DELTA.column("network.protocol.name"),
    # who called, whom it called, and who answered
    Column(
        "client.address",
        "V16",
        "who called: its own address, before any rewriting, as far as that is known; network order, IPv4 as "
        "IPv4-mapped IPv6",
        always=True,
    ),
    Column("client.port", "<u2", always=True),
    Column("service.address", "V16", "the address that the client called", always=True),
    Column(
        "service.port",
        "<u2",
        "in rows beside it `service.port.name`: what usually listens on that port, not what was seen to",
        always=True,
    ),
    Column("server.address", "V16", "of the end that answered", always=True),
    Column("server.port", "<u2", always=True),
    Column(
        "server.name.index",
        "<u4",
        "place in the batch's table of names, 0: none. In rows `server.name`: "
        "[the name](dns.md#names-for-addresses) by which the client knows `service.address`. It stays while the "
        "connection lives",
        table=NAMES,
        over="known",
    ),
    Column(
        "server.name.evidence",
        "<u1",
        "who had got the address for it: 1 process (the client's), 2 container (another process of the client's "
        "cgroup), 3 namespace (another process of its network namespace), 4 tls (nobody, as far as is known, or for "
        "several names: the client said it in the TLS handshake). 0: there is no name",
        codes=NameEvidence,
    ),
    Column(
        "server.name.ambiguous",
        "<u1",
        "1: the same had got the address for another name as well, not long before; this is the later one",
        values=row_values.flags,
    ),
    Column(
        "nat.index",
        "<u4",
        "place in the batch's table of chains; 0: nothing was rewritten, as far as is known (`*.nat.evidence`). In "
        "rows `nat`: the tuples that the connection had on its way, that of the client's socket first",
        table=CHAINS,
    ),
    Column("evidence", "<u1", "what the row rests on: [below](#evidence)", codes=FlowEvidence, always=True),
    Column("window.late_s", "<u2", "seconds by which the row's window lies before the batch's", over="most"),
    Column(
        "connection.opened",
        "<u1",
        "1 in the row that reports the connection for the first time; 0 for those open before Tailrace started",
        values=row_values.flags,
        over="most",
    ),
    Column(
        "connection.closed",
        "<u1",
        "1 in the row with the end of the last end that reports",
        values=row_values.flags,
        over="most",
    ),
    Column("connection.failed", "<u1", "1 if a connect failed", values=row_values.flags, over="most"),
    Column(
        "connection.opened_at_ns",
        "<u8",
        "wall clock, established: the client's if it reports in the first row that has it, else the server's; the "
        "same in all rows that follow. 0 if open before Tailrace started",
    ),
    Column("connection.closed_at_ns", "<u8", "wall clock, of the later end; 0 while open", over="known"),
    Column(
        "connection.connect_latency_ns",
        "<u8",
        "as the client waited; else as the server saw the handshake",
        over="known",
    ),
    # 0 at the end of a whole connection, and where only one end reports, or one was open before Tailrace started
    Column(
        "bytes_unaccounted",
        "<i8",
        "from client to server: what the client's kernel knows to have arrived less what the server's has received, "
        "so far: [below](#bytes-of-both-ends)",
    ),
    Column("reply_bytes_unaccounted", "<i8", "the same from server to client"),
    Column(
        "datagrams_unaccounted",
        "<i8",
        "of UDP, in the row with the end of both ends: datagrams that the client sent less those that arrived at the "
        "server's socket; those for which its receive buffer had no room arrived, and are its `drops`",
        "datagrams",
    ),
    Column("reply_datagrams_unaccounted", "<i8", "the same from server to client", "datagrams"),
    *REQUESTS,
    *DROPS,
    DELTA.column("tls.index"),
)

_END: Final = (
    Column(
        "reported", "<u1", "1: this end's kernel reports in this row", values=row_values.flags, over="most"
    ),
    Column(
        "node.index",
        "<u4",
        "place in the batch's table of nodes, 0: not known. In rows `client.node` and `client.boot`: the node's "
        "name, and the start of Tailrace there",
        table=NODES,
    ),
    Column(
        "seq", "<u8", "number of the delta message in which the report came", fields=end_seqs, over="known"
    ),
    DELTA.column("window.missed_s"),
    *(DELTA.column(name) for name in (*OWNER, *STANDING, *COUNTERS, *GAUGES)),
)
#: How an end's columns become fields where that is not as in deltas.
_FIELDS: Final = {"socket.slot": end_slots, "socket.generation": end_generations}
#: What each end has, without the side.
END_COLUMNS: Final = tuple(column.name for column in _END)


def _of(side: str) -> Iterator[Column]:
    for column in _END:
        fields = _FIELDS.get(column.name, column.fields)
        # an end that does not report in a row has 0 there
        over: Over = "known" if column.over == "last" else column.over
        yield replace(column, name=f"{side}.{column.name}", fields=fields, group=side, over=over)


def _by_node(_: str, columns: Columns, tables: Tables) -> Iterator[tuple[str, np.ndarray | None]]:
    """That of the client's end, else of the server's."""
    client, server = (columns[f"{side}.node.index"] for side in SIDES)
    index = np.where(client != 0, client, server)
    nodes = tables["nodes"]
    names = {number: node_token(nodes[number].name) for number in np.unique(index).tolist()}
    for name in dict.fromkeys(names.values()):
        same = [number for number, other in names.items() if other == name]
        yield name, None if len(same) == len(names) else np.flatnonzero(np.isin(index, same))


#: What a connection did in one second, as both of its ends saw it: ``client.X`` is the client's own report,
#: ``server.X`` the server's.
FLOW: Final = Kind(
    "flow",
    "flows",
    (*_HEAD, *_of(CLIENT), *_of(SERVER)),
    key=("connection.id", "connection.opened_at_ns"),
    lead=(
        "connection.id",
        "network.transport",
        "network.type",
        "client.address",
        "client.port",
        "service.address",
        "service.port",
        "server.address",
        "server.port",
        "evidence",
    ),
    derived=(
        ("evidence", derived("service.port.name", "service.port", row_values.port_names)),
        *(
            (
                f"{side}.error.errno",
                derived(f"{side}.error.type", f"{side}.error.errno", row_values.error_types),
            )
            for side in SIDES
        ),
    ),
    subject=Subject(FLOWS, FLOW_STREAM, _by_node),
    text=TEXT,
    traffic=TRAFFIC,
    page=__doc__,
    brief=(
        *("connection.id", "network.transport", "*.address", "*.port", "evidence", "window.late_s"),
        *("connection.opened", "connection.closed", "connection.failed", "connection.connect_latency_ns"),
        *("*.node", "*.reported", *(f"*.{name}" for name in BRIEF)),
    ),
)
