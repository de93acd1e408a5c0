"""What was reported of one socket, and which reports lie on the self-test's own ground."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from model.arrays import Columns
from model.kinds.delta import CloseReason, Evidence, Role
from probes.checks.privileges import is_initial
from selftest.truth import IPV4_MAPPED, Key, Truth

LOOPBACK_IPV4: Final = IPV4_MAPPED + b"\x7f"
LOOPBACK_IPV6: Final = b"\0" * 15 + b"\1"

#: Column -> field of `ReportedSocket`.
FIELDS: Final = {
    "network.transport": "transport",
    "netns.id": "netns",
    "network.local.address": "local_address",
    "network.local.port": "local_port",
    "network.peer.address": "peer_address",
    "network.peer.port": "peer_port",
    "process.pid": "pid",
    "process.comm": "comm",
    "user.id": "uid",
    "owner.evidence": "evidence",
    "connection.role": "role",
    "connection.destination.address": "destination_address",
    "connection.destination.port": "destination_port",
    "connection.opened": "opened",
    "connection.closed": "closed",
    "connection.failed": "failed",
    "connection.adopted": "adopted",
    "connection.mptcp.token": "mptcp_token",
    "connection.close_reason": "close_reason",
    "connection.opened_at_ns": "opened_at_ns",
    "error.errno": "errno",
    "tx_bytes": "tx_bytes",
    "rx_bytes": "rx_bytes",
    "tx_segments": "tx_segments",
    "rx_segments": "rx_segments",
    "retransmitted_segments": "retransmitted_segments",
    "retransmitted_bytes": "retransmitted_bytes",
    "window.first": "window",
    "socket.generation": "generation",
}


@dataclass(frozen=True)
class ReportedSocket:
    """One reported socket; ``opened``, ``closed`` and ``failed`` count the windows that said so."""

    transport: int
    netns: int
    local_address: bytes
    local_port: int
    peer_address: bytes
    peer_port: int
    pid: int
    comm: str
    uid: int
    evidence: int
    role: int
    destination_address: bytes
    destination_port: int
    opened: int
    closed: int
    failed: int
    mptcp_token: int
    adopted: int
    close_reason: int
    opened_at_ns: int
    errno: int
    tx_bytes: int
    rx_bytes: int
    tx_segments: int
    rx_segments: int
    retransmitted_segments: int
    retransmitted_bytes: int
    window: int
    generation: int

    @property
    def key(self) -> Key:
        """What the truth is matched by."""
        here = (self.local_address, self.local_port, self.peer_address, self.peer_port)
        return (self.transport, self.netns, *here)

    @property
    def owned(self) -> bool:
        """Whether an owner was reported at all."""
        return bool(self.pid) and self.evidence != Evidence.NONE


class _Ground:
    """Tells on the loopback of the host, which all share, what others called from what the self-test did.

    :param found: sockets with one of its ports.
    """

    def __init__(self, truth: Truth, found: Sequence[ReportedSocket]) -> None:
        self._host = truth.host_netns
        self._made = {end.key for end in truth.ends}
        self._owners = {_process(end.pid, end.comm) for end in truth.ends}
        self._callers = {socket.key: socket for socket in found if socket.role == Role.CLIENT}

    def foreign(self, socket: ReportedSocket) -> bool:
        """Whether neither this socket nor the one that called it is one of the self-test's processes'."""
        if socket.netns != self._host or socket.key in self._made:
            return False
        transport, netns, address, port, peer_address, peer_port = socket.key
        calling = self._callers.get((transport, netns, peer_address, peer_port, address, port))
        caller = socket if socket.role == Role.CLIENT else calling
        who = caller or socket
        return who.owned and _process(who.pid, who.comm) not in self._owners


def _process(pid: int, comm: str) -> int | str:
    """What a process is known by: in a pid namespace of its own only by its name (``selftest.aspects``)."""
    return pid if is_initial("pid") else comm


def reported_in_scope(truth: Truth, sockets: Columns) -> list[ReportedSocket]:
    """The sockets of `collect` that only the self-test can have made.

    That is all in its own network namespaces, and on the loopback of the host those with one of its ports, but for
    what other processes called from such a port, or at such a port.
    """
    rows = np.flatnonzero(_in_scope(truth, sockets))
    values = {field: sockets[column][rows].tolist() for column, field in FIELDS.items()}
    values["comm"] = [comm.decode(errors="replace") for comm in values["comm"]]
    found = [
        ReportedSocket(**dict(zip(values, row, strict=True))) for row in zip(*values.values(), strict=True)
    ]
    ground = _Ground(truth, found)
    return [socket for socket in found if not ground.foreign(socket)]


def _in_scope(truth: Truth, sockets: Columns) -> npt.NDArray[np.bool_]:
    netns = sockets["netns.id"]
    own_port = np.isin(sockets["network.local.port"], truth.ports)
    own_port |= np.isin(sockets["network.peer.port"], truth.ports)
    on_host: npt.NDArray[np.bool_] = (netns == truth.host_netns) & _loopback(sockets["network.local.address"])
    inside: npt.NDArray[np.bool_] = np.isin(netns, truth.namespaces)
    return inside | (on_host & own_port)


def _loopback(addresses: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    raw = np.ascontiguousarray(addresses).view(np.uint8).reshape(-1, 16)
    ipv4: npt.NDArray[np.bool_] = (raw[:, :13] == np.frombuffer(LOOPBACK_IPV4, np.uint8)).all(axis=1)
    ipv6: npt.NDArray[np.bool_] = (raw == np.frombuffer(LOOPBACK_IPV6, np.uint8)).all(axis=1)
    return ipv4 | ipv6


def name(kind: type[CloseReason] | type[Evidence] | type[Role], value: int) -> str:
    """The name of a number of the schema; the number itself if it has none."""
    return kind(value).name.lower() if value in set(kind) else str(value)
