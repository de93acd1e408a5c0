"""The delta schema: what one socket did in one second. ``docs/schema.md`` is its page for users."""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

VERSION: Final = 1

Column = npt.NDArray[np.generic]
Columns = dict[str, Column]

#: Column name -> numpy type, little-endian. Names follow the OpenTelemetry semantic conventions where they
#: have one; the unit stands in the name where the convention gives none. Fields are only ever added.
DELTA_COLUMNS: Final[dict[str, str]] = {
    # identity: (node, boot, slot, generation); slot 0xffffffff = counted without a slot
    "socket.slot": "<u4",
    "socket.generation": "<u4",
    # the connection as this socket sees it; IPv4 addresses are IPv4-mapped IPv6, network order
    "network.type": "<u1",  # 4 or 6
    "network.local.address": "V16",
    "network.local.port": "<u2",
    "network.peer.address": "V16",
    "network.peer.port": "<u2",
    "netns.id": "<u4",  # inode number, as `lsns -t net` prints it
    # the same from who called to who was called, after all rewriting that the node knows of
    "connection.source.address": "V16",
    "connection.source.port": "<u2",
    "connection.destination.address": "V16",
    "connection.destination.port": "<u2",
    "nat.index": "<u4",  # into the batch's table of chains of rewrites; 0: nothing was rewritten
    # the owner
    "process.pid": "<u4",
    "thread.id": "<u4",
    "process.comm": "S16",
    "user.id": "<u4",
    "cgroup.id": "<u8",
    "cgroup.index": "<u4",  # into the batch's table of cgroup paths
    "entity.index": "<u4",  # who that is: into the batch's table of entities; 0: not known
    "owner.evidence": "<u1",  # Evidence
    # life
    "connection.role": "<u1",  # Role
    "connection.state": "<u1",  # State
    "window.late_s": "<u2",  # seconds by which this row's window lies before the batch's; seldom not 0
    "connection.opened": "<u1",  # 1 in the window in which it was established
    "connection.closed": "<u1",  # 1 in the window in which it ended
    "connection.failed": "<u1",  # 1 in the window in which a connect failed
    "connection.close_reason": "<u1",  # CloseReason
    "connection.adopted": "<u1",  # 1: open before Tailrace started; counters since then
    "error.errno": "<u2",  # of the failed connect or the abnormal end, 0 for none
    "connection.opened_at_ns": "<u8",  # wall clock; 0 for adopted sockets
    "connection.closed_at_ns": "<u8",  # wall clock; 0 while open
    "connection.connect_latency_ns": "<u8",  # SYN sent to established; to the error for failed connects
    # what moved in this window (sums of these are exact)
    "tx_bytes": "<u8",  # payload that the peer acknowledged
    "rx_bytes": "<u8",  # payload received in order
    "tx_segments": "<u8",
    "rx_segments": "<u8",
    "retransmitted_segments": "<u8",
    "retransmitted_bytes": "<u8",
    "lost_segments": "<u8",
    "drops": "<u8",  # segments that the socket dropped (sk_drops)
    # how it stands at the end of the window
    "tx_bytes_total": "<u8",  # since it was opened, or adopted
    "rx_bytes_total": "<u8",
    "rtt_ns": "<u8",  # smoothed
    "rtt_min_ns": "<u8",
    "cwnd_segments": "<u4",
    "delivery_rate_bytes_per_second": "<u8",
}

#: The columns whose sums over windows equal the socket's final counters.
COUNTERS: Final = (
    "tx_bytes",
    "rx_bytes",
    "tx_segments",
    "rx_segments",
    "retransmitted_segments",
    "retransmitted_bytes",
    "lost_segments",
    "drops",
)

#: What is looked up for a row; a socket alone does not tell.
RESOLVED: Final = (
    "connection.source.address",
    "connection.source.port",
    "connection.destination.address",
    "connection.destination.port",
    "nat.index",
    "entity.index",
)

NO_SLOT: Final = 0xFFFFFFFF


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


class Role(IntEnum):
    """Which end of the connection the socket is."""

    UNKNOWN = 0
    CLIENT = 1
    SERVER = 2


class State(IntEnum):
    """The TCP state at the end of the window, as in the kernel's ``include/net/tcp_states.h``."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12


class Evidence(IntEnum):
    """How the owner was learnt."""

    NONE = 0  # nobody: a socket of the kernel, or an orphan
    OPENED = 1  # the process that called connect()
    LISTENER = 2  # the process that listens; nobody has taken the connection yet
    ACCEPTED = 3  # the process that took the connection
    ADOPTED = 4  # the process that held the descriptor when Tailrace started


class CloseReason(IntEnum):
    """What ended the connection: a reset or time-out if there was one, else whose FIN came first."""

    OPEN = 0
    FIN_SENT = 1
    FIN_RECEIVED = 2
    RST_SENT = 3
    RST_RECEIVED = 4
    TIMED_OUT = 5
    ERROR = 6  # error.errno says which
    UNSEEN = 7  # its end was missed, or the report of it lost; the ledger counts it


def empty_columns(rows: int = 0) -> Columns:
    """All delta columns, zeroed, with ``rows`` rows."""
    return {name: np.zeros(rows, dtype) for name, dtype in DELTA_COLUMNS.items()}
