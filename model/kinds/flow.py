"""The flow schema: what a connection did in one second, as both of its ends saw it (``docs/schema.md``)."""

from enum import IntEnum
from typing import Final

import numpy as np

from model.kinds.delta import COUNTERS, DELTA_COLUMNS, Columns

CLIENT: Final = "client"
SERVER: Final = "server"
SIDES: Final = (CLIENT, SERVER)

#: What a delta row and a flow's end say under the same name; each end has them as ``client.NAME``, ``server.NAME``.
GAUGES: Final = ("rtt_ns", "rtt_min_ns", "cwnd_segments", "delivery_rate_bytes_per_second")
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
    "error.errno",
)

_HEAD: Final[dict[str, str]] = {
    "connection.id": "<u8",  # from the resolved tuple: the same at both ends, in every engine, after every restart
    "network.transport": "<u1",  # 6: TCP
    "network.type": "<u1",  # 4 or 6
    # who called, whom it called, and who answered; IPv4 addresses are IPv4-mapped IPv6, network order
    "client.address": "V16",  # its own, before any rewriting, as far as known
    "client.port": "<u2",
    "service.address": "V16",  # the address that the client called
    "service.port": "<u2",
    "server.address": "V16",  # of the end that answered, after all rewriting
    "server.port": "<u2",
    "nat.index": "<u4",  # into the batch's table of chains; 0: nothing was rewritten, as far as known
    "evidence": "<u1",  # FlowEvidence
    "window.late_s": "<u2",  # seconds by which this row's window lies before the batch's; seldom not 0
    "connection.opened": "<u1",  # 1 in the row in which it is reported for the first time
    "connection.closed": "<u1",  # 1 in the row with the end of the last end that reports
    "connection.failed": "<u1",  # 1 in the row in which a connect failed
    "connection.opened_at_ns": "<u8",  # wall clock; the client's if it reports, else the server's
    "connection.closed_at_ns": "<u8",  # wall clock of the later end; 0 while open
    "connection.connect_latency_ns": "<u8",  # as the client waited; else as the server saw the handshake
    # what one end's kernel sent and the other's has not received, so far: 0 at the end of a whole connection.
    # 0 also where only one end reports, or an end was open before Tailrace started
    "bytes_unaccounted": "<i8",  # from client to server
    "reply_bytes_unaccounted": "<i8",  # from server to client
}
_END: Final[dict[str, str]] = (
    {
        "reported": "<u1",  # 1: this end's own kernel reports in this row
        "node.index": "<u4",  # into the batch's table of nodes; 0: not known
        "seq": "<u8",  # of the delta message that the report came in: with the node and its boot, it names the report
    }
    | {name: DELTA_COLUMNS[name] for name in (*OWNER, *STANDING)}
    | {name: DELTA_COLUMNS[name] for name in (*COUNTERS, *GAUGES)}
)

#: Column name -> numpy type, little-endian. ``client.X`` is the client's own report, ``server.X`` the server's.
FLOW_COLUMNS: Final[dict[str, str]] = _HEAD | {
    f"{side}.{name}": kind for side in SIDES for name, kind in _END.items()
}
END_COLUMNS: Final = tuple(_END)


class FlowEvidence(IntEnum):
    """What a flow rests on, the surest last."""

    ADDRESS = 1  # one end reports; the other is the address that it sees
    NAT = 2  # one end reports; the other's address was found behind a rewriting
    SERVER = 3  # the server's end reports; the client's address is one of a node that reports
    CLIENT = 4  # the client's end reports; the server's address is one of a node that reports
    BOTH = 5  # both ends report


def empty_flows(rows: int = 0) -> Columns:
    """All flow columns, zeroed, with ``rows`` rows."""
    return {name: np.zeros(rows, dtype) for name, dtype in FLOW_COLUMNS.items()}
