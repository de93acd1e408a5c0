"""A little truth, and the batches that a perfect Tailrace would have made of it."""

from dataclasses import replace
from typing import Any

import numpy as np

from model.arrays import Columns
from model.batch import Batch
from model.kinds.delta import DELTA, CloseReason, Evidence, Role
from model.transport import Transport
from selftest.truth import End, KernelCounters, Truth, address_bytes

HOST, OWN = 4026531833, 4026532001
START_NS, START_SECOND = 1_700_000_000_000_000_000, 1_700_000_000
LOCALHOST, LEFT, RIGHT = address_bytes("127.0.0.1"), address_bytes("10.77.1.2"), address_bytes("fd77:2::2")

CLIENT = End(
    "short",
    HOST,
    LOCALHOST,
    40_000,
    LOCALHOST,
    9000,
    101,
    "short-client",
    0,
    Role.CLIENT,
    START_NS,
    tx_bytes=1000,
    rx_bytes=2000,
    close_reason=CloseReason.FIN_SENT,
)
SERVER = replace(
    CLIENT,
    local_port=9000,
    peer_port=40_000,
    pid=102,
    comm="short-server",
    role=Role.SERVER,
    tx_bytes=2000,
    rx_bytes=1000,
    close_reason=CloseReason.FIN_RECEIVED,
)
REFUSED = replace(
    CLIENT,
    kind="refused",
    netns=OWN,
    local_address=LEFT,
    peer_address=address_bytes("10.77.2.2"),
    pid=103,
    uid=65534,
    tx_bytes=0,
    rx_bytes=0,
    failed=True,
    errno=111,
    close_reason=CloseReason.RST_RECEIVED,
)
ADOPTED = replace(
    CLIENT, kind="adopted", netns=OWN, local_port=41_000, pid=104, adopted=True, baseline_tx_bytes=77
)
LOSSY = replace(
    CLIENT, kind="lossy", netns=OWN, local_port=42_000, kernel=KernelCounters(1001, 2000, 3, 4000)
)

#: The same tuple as that of TCP.
DATAGRAMS = replace(
    CLIENT,
    kind="udp",
    transport=Transport.UDP,
    tx_datagrams=4,
    rx_datagrams=6,
    close_reason=CloseReason.RELEASED,
)


def truth_of(*ends: End) -> Truth:
    """The truth of some ends, one socket of each kind if none are given."""
    return Truth(HOST, [OWN], [9000], list(ends or (CLIENT, SERVER, REFUSED, ADOPTED, LOSSY)))


def row(end: End, slot: int) -> Columns:
    """One row that tells all of ``end``."""
    columns = DELTA.empty(1)
    values: dict[str, Any] = {
        "socket.slot": slot,
        "socket.generation": 1,
        "network.transport": end.transport,
        "network.local.address": np.void(end.local_address),
        "network.local.port": end.local_port,
        "network.peer.address": np.void(end.peer_address),
        "network.peer.port": end.peer_port,
        "netns.id": end.netns,
        "process.pid": end.pid,
        "process.comm": end.comm.encode(),
        "user.id": end.uid,
        "owner.evidence": Evidence.OPENED if end.role == Role.CLIENT else Evidence.ACCEPTED,
        "connection.role": end.role,
        "connection.destination.address": np.void(end.backend[0]),
        "connection.destination.port": end.backend[1],
        "connection.opened": not (end.adopted or end.failed),
        "connection.closed": 1,
        "connection.failed": end.failed,
        "connection.close_reason": end.close_reason,
        "connection.adopted": end.adopted,
        "connection.mptcp.token": end.mptcp_token,
        "connection.opened_at_ns": 0 if end.adopted else end.opened_at_ns,
        "error.errno": end.errno,
        "tx_segments": end.tx_datagrams,
        "rx_segments": end.rx_datagrams,
        "tx_bytes": end.tx_bytes,
        "rx_bytes": end.rx_bytes,
        "retransmitted_segments": end.kernel.retransmitted_segments if end.kernel else 0,
        "retransmitted_bytes": end.kernel.retransmitted_bytes if end.kernel else 0,
    }
    for name, value in values.items():
        columns[name][0] = value
    return columns


def batch(columns: Columns, window: int = START_SECOND, seq: int = 0) -> Batch:
    """One message of one node."""
    return Batch(DELTA, "node", "boot", seq, window, columns)


def batches_of(*ends: End) -> list[Batch]:
    """One message for each end, each in a slot of its own."""
    return [batch(row(end, slot), seq=slot) for slot, end in enumerate(truth_of(*ends).ends)]
