"""One row says what one socket did in one second. A connection between two processes of the same machine has two
sockets and so two rows, one for each end. Rows come for sockets that moved something, changed their state or
owner, or ended; an idle open connection has no row: how many are open is in the [ledger](#the-ledger).

**Counters add up.** For every socket the sum of its rows equals the kernel's final counters, also for one that
lived shorter than a second. Bytes are payload: SYN and FIN, which the kernel counts with them, are taken off.
What was already counted when Tailrace started is left out (`connection.adopted`). What could not be reported is
in the [ledger](#the-ledger).

**Windows** are whole wall-clock seconds of the node. Counters of open sockets are read within milliseconds of the
window's end.

{columns}
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from model.arrays import Columns
from model.column import Column, derived
from model.kind import Kind
from model.kinds.delta.application import APPLICATION
from model.kinds.delta.codes import (
    Cast,
    CloseReason,
    Evidence,
    Folded,
    NameEvidence,
    NatEvidence,
    NetworkProtocol,
    Role,
    State,
)
from model.kinds.delta.fields import NO_SLOT, slot_fields, user_fields
from model.kinds.delta.tables import CGROUPS, CHAINS, ENTITIES
from model.kinds.delta.text import TEXT
from model.rows import values as row_values
from model.traffic import RowTraffic, Traffic
from model.transport import NetworkType, Transport

__all__ = [
    "BRIEF",
    "CGROUPS",
    "CHAINS",
    "COUNTERS",
    "DELTA",
    "ENTITIES",
    "NO_SLOT",
    "RESOLVED",
    "Cast",
    "CloseReason",
    "Evidence",
    "Folded",
    "NameEvidence",
    "NatEvidence",
    "NetworkProtocol",
    "Role",
    "State",
    "began_at",
    "flags",
]

_COUNTERS: Final = (
    Column("tx_bytes", "<u8", "payload that the peer acknowledged; of UDP: that was sent", over="sum"),
    Column("rx_bytes", "<u8", "payload received in order; of UDP: that arrived", over="sum"),
    Column("tx_segments", "<u8", "sent, also those without payload; of UDP: datagrams", over="sum"),
    Column("rx_segments", "<u8", "received; of UDP: datagrams that arrived, also those dropped", over="sum"),
    Column("retransmitted_segments", "<u8", over="sum"),
    Column("retransmitted_bytes", "<u8", over="sum"),
    Column("lost_segments", "<u8", "that the kernel took for lost", over="sum"),
    Column(
        "drops",
        "<u8",
        "that the socket dropped on receiving (`sk_drops`); of UDP: its receive buffer was full",
        "segments",
        over="sum",
    ),
)
#: The columns whose sums over windows equal the socket's final counters.
COUNTERS: Final = tuple(column.name for column in _COUNTERS)

#: What tells most of an end in little room.
BRIEF: Final = (
    *("process.pid", "process.comm"),
    *(f"entity.k8s.{name}.name" for name in ("namespace", "workload", "pod")),
    *("entity.container.name", "entity.systemd.unit", "entity.cloud.availability_zone"),
    *("connection.state", "connection.close_reason", "error.type"),
    *("tx_bytes", "rx_bytes", "retransmitted_segments", "rtt_ns"),
)

#: What is looked up for a row; a socket alone does not tell.
RESOLVED: Final = (
    "connection.source.address",
    "connection.source.port",
    "connection.destination.address",
    "connection.destination.port",
    "nat.index",
    "nat.evidence",
    "nat.known_first",
    "entity.index",
    "requests.index",
    "queries.index",
    "tls.index",
    "tls.visibility",
    "peer.name.index",
    "peer.name.evidence",
    "peer.name.ambiguous",
)

_COLUMNS: Final = (
    # identity: (node, boot, slot, generation)
    Column(
        "socket.slot",
        "<u4",
        "with the generation: the socket's identity on this node and boot. 4294967295: it found no free slot, and "
        "only its end is reported",
        fields=slot_fields,
    ),
    Column("socket.generation", "<u4", "counts the sockets that had this slot", always=True),
    # the connection as this socket sees it
    Column("network.transport", "<u1", "6 tcp, 17 udp", default=Transport.TCP, codes=Transport, always=True),
    Column("network.type", "<u1", "4 or 6", codes=NetworkType, always=True),
    Column("network.local.address", "V16", "network order; IPv4 as IPv4-mapped IPv6", always=True),
    Column("network.local.port", "<u2", always=True),
    Column("network.peer.address", "V16", always=True),
    Column("network.peer.port", "<u2", always=True),
    Column(
        "network.cast",
        "<u1",
        "of UDP: 0 unicast, 1 multicast, 2 broadcast. The last two have no other end to be joined with",
        codes=Cast,
    ),
    Column(
        "network.folded",
        "<u1",
        "of UDP, what is one row because a socket has very many peers: 0 none, 1 ports (all ports of the peer's "
        "address; the port is 0), 2 peers (all peers; the address is `::`)",
        codes=Folded,
    ),
    Column(
        "network.protocol.name",
        "<u1",
        "of UDP, what the datagrams are, as they say themselves: 1 quic, 2 dns; 0: not known",
        codes=NetworkProtocol,
    ),
    Column("netns.id", "<u4", "network namespace: its inode number, as `lsns -t net` prints it"),
    # the same from who called to who was called, after all rewriting that the node knows of
    Column("connection.source.address", "V16", "who called, after all rewriting that the node knows of"),
    Column("connection.source.port", "<u2"),
    Column("connection.destination.address", "V16", "who was called, likewise"),
    Column("connection.destination.port", "<u2"),
    Column(
        "nat.index",
        "<u4",
        "place in the message's `chains`; 0: nothing was rewritten, as far as `nat.evidence` goes. In rows `nat`",
        table=CHAINS,
    ),
    Column(
        "nat.evidence",
        "<u1",
        "whether this end's node knows all that may have rewritten the connection: 0 complete, 1 unseen (it has not "
        "the right to see all network namespaces, or what was rewritten there before the start), 2 lost (events of "
        "conntrack were lost when the connection began), 3 undecided (it may be any of several rewrites). Without "
        "`nat` such a row does not say that nothing was rewritten",
        codes=NatEvidence,
    ),
    Column(
        "nat.known_first",
        "<u1",
        "1 and the number of rewrites in the connection's first row, where more have been learnt since; else 0. "
        "`nat` begins with them, and what follows them was the tuple of that row",
    ),
    # the owner
    Column("process.pid", "<u4", "owner: the process (thread group)"),
    Column("thread.id", "<u4", "owner: the thread"),
    Column("process.comm", "S16", "owner: the process's name, padded with zeros"),
    Column("user.id", "<u4", "owner: effective user", fields=user_fields),
    Column("cgroup.id", "<u8", "owner: inode number of the cgroup's directory"),
    Column(
        "cgroup.index",
        "<u4",
        "owner: place of the cgroup's path in the message's `cgroups`; container ids stand in it",
        table=CGROUPS,
    ),
    Column(
        "entity.index",
        "<u4",
        "who that is: place in the message's `entities`, 0: not known. In rows `entity`, its "
        "[attributes](identity.md)",
        table=ENTITIES,
    ),
    Column(
        "owner.evidence",
        "<u1",
        "0 none, 1 opened (it called connect), 2 listener (nobody has taken the connection yet), 3 accepted (it "
        "read, wrote or closed first), 4 adopted (it held the socket when Tailrace started), 5 used (it was handed "
        "the connection and reads or writes, or it executed another program since)",
        codes=Evidence,
    ),
    # life
    Column("connection.role", "<u1", "0 unknown, 1 client, 2 server", codes=Role),
    Column(
        "connection.state",
        "<u1",
        "as in the kernel: 1 established, 2 syn_sent, 4 fin_wait1, 5 fin_wait2, 7 close, 8 close_wait, 9 last_ack, "
        "11 closing",
        codes=State,
    ),
    Column(
        "window.late_s", "<u2", "seconds by which the row's window lies before the message's", over="most"
    ),
    Column(
        "window.missed_s",
        "<u2",
        "seconds before this window in which nobody looked at the socket, because Tailrace was stopped or starved: "
        "the row has their traffic, too",
        over="sum",
    ),
    Column(
        "connection.opened",
        "<u1",
        "1 in the row that reports a connection for the first time; 0 for adopted ones",
        values=row_values.flags,
        over="most",
    ),
    Column(
        "connection.closed", "<u1", "1 in the last row of a connection", values=row_values.flags, over="most"
    ),
    Column("connection.failed", "<u1", "1 if a connect failed", values=row_values.flags, over="most"),
    Column(
        "connection.close_reason",
        "<u1",
        "0 open, 1 fin_sent, 2 fin_received, 3 rst_sent, 4 rst_received, 5 timed_out, 6 error, 7 unseen (its end was "
        "missed, or the report of it lost); [of UDP](udp.md) 8 idle, 9 released (its socket was closed), 10 moved "
        "(NAT leads to another peer now)",
        codes=CloseReason,
    ),
    Column(
        "connection.adopted",
        "<u1",
        "1: open before Tailrace started; counters since then",
        values=row_values.flags,
        over="most",
    ),
    Column(
        "connection.mptcp.token",
        "<u4",
        "the MPTCP connection whose subflow this is: as this end's kernel numbers it, of which all subflows have the "
        "same (`ss -tie` prints it: `token:PEER'S/OWN`). 0: plain TCP. In rows 8 hexadecimal digits",
        values=row_values.known_hexadecimals,
    ),
    Column(
        "error.errno",
        "<u2",
        "of a failed connect or an abnormal end; in rows beside it `error.type`, its name. 125 (ECANCELED): the "
        "application gave up; 99 (EADDRNOTAVAIL): no local port was free",
    ),
    Column(
        "connection.opened_at_ns",
        "<u8",
        "wall clock, established; 0 for adopted and failed ones. Of UDP: the first datagram. The same in all "
        "rows of the socket, whatever "
        "became of the clock",
    ),
    Column(
        "connection.closed_at_ns",
        "<u8",
        "wall clock; 0 while open. If the clock was set back below the opening: the opening and how long it lived",
    ),
    Column(
        "connection.connect_latency_ns",
        "<u8",
        "from connect() to established, or to the failure; of UDP: from the first datagram to the first reply, once "
        "there was one",
    ),
    # what moved in this window (sums of these are exact)
    *_COUNTERS,
    # how it stands at the end of the window
    Column("tx_bytes_total", "<u8", "since the connection was opened, or Tailrace started"),
    Column("rx_bytes_total", "<u8"),
    Column("tx_datagrams_total", "<u8", "the same of UDP's datagrams; 0 for TCP", "datagrams"),
    Column("rx_datagrams_total", "<u8", "likewise", "datagrams"),
    Column("rtt_ns", "<u8", "smoothed round-trip time, at the window's end"),
    Column("rtt_min_ns", "<u8", "smallest seen lately"),
    Column("cwnd_segments", "<u4", "congestion window"),
    Column("delivery_rate_bytes_per_second", "<u8", "the kernel's latest measurement"),
    Column(
        "zero_window",
        "<u1",
        "1: at the window's end something waits to be sent, and the peer takes nothing more: it does not read",
        values=row_values.flags,
        over="most",
    ),
    *APPLICATION,
)


def flags(columns: Columns, *names: str) -> npt.NDArray[np.bool_]:
    """Where any of these flag columns is set; shape (n,)."""
    found: npt.NDArray[np.bool_] = columns[names[0]] != 0
    for name in names[1:]:
        found |= columns[name] != 0
    return found


def began_at(columns: Columns) -> npt.NDArray[np.int64]:
    """When each connection was opened, or tried, or, if neither was seen, ended; wall clock, 0 while that is open."""
    opened, closed = (columns[f"connection.{end}_at_ns"].astype(np.int64) for end in ("opened", "closed"))
    tried = closed - columns["connection.connect_latency_ns"].astype(np.int64)
    return np.where(opened != 0, opened, tried * (closed != 0))


def _moved(columns: Columns) -> RowTraffic:
    return RowTraffic(*(columns[name] for name in RowTraffic._fields))


#: What one socket did in one second.
DELTA: Final = Kind(
    "delta",
    "deltas",
    _COLUMNS,
    key=("network.transport", "socket.slot", "socket.generation"),
    lead=(
        "socket.slot",
        "socket.generation",
        "network.transport",
        "network.type",
        "network.local.address",
        "network.local.port",
        "network.peer.address",
        "network.peer.port",
        "user.id",
    ),
    derived=(("", derived("error.type", "error.errno", row_values.error_types)),),
    # on the way through a node; in messages of agents from before the kind `ledger`
    head={"open_sockets": 0, "ledger": {}},
    text=TEXT,
    traffic=Traffic(
        _moved,
        lambda columns, life: flags(columns, f"connection.{life}"),
        ("open", "tx", "rx"),
        ("open", "tx", "rx"),
    ),
    chunk_rows=3000,
    page=__doc__,
    brief=(
        *("network.transport", "*.address", "*.port", "connection.role", "window.late_s"),
        *("connection.opened", "connection.closed", "connection.failed", "connection.connect_latency_ns"),
        *BRIEF,
    ),
)
