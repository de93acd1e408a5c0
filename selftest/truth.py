"""What really happened: one record for each end of a connection, made by the process that owns the end."""

import socket
from collections import Counter
from dataclasses import dataclass, field, replace

from model.addresses import address_text
from model.kinds.delta import CloseReason, Role
from model.rows.words import endpoint_text
from model.transport import Transport

#: Transport, netns inode, local address, local port, peer address, peer port; addresses as 16 bytes.
Key = tuple[int, int, bytes, int, bytes, int]

IPV4_MAPPED = b"\0" * 10 + b"\xff\xff"


def address_bytes(text: str) -> bytes:
    """The 16 bytes of an address column: IPv6 as it is, IPv4 as IPv4-mapped IPv6."""
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return IPV4_MAPPED + socket.inet_aton(text)


def endpoint(address: bytes, port: int) -> str:
    """Address and port as people write them."""
    return endpoint_text(address_text(address), port)


@dataclass
class KernelCounters:
    """What TCP_INFO said with nothing in flight: of bytes before the end was closed, of what was sent again after it.

    ``acked_bytes`` counts the SYN of an active open as one byte (``tcp_snd_una_update``).
    """

    acked_bytes: int
    received_bytes: int
    retransmitted_segments: int
    retransmitted_bytes: int


@dataclass
class End:
    """One socket of one connection.

    :param kind: the kind of traffic, for the reader of a report.
    :param tx_bytes: payload that the peer acknowledged, or that datagrams carried; of adopted ends since the start.
    :param rx_bytes: payload that the kernel received in order, or of datagrams; of adopted ends since the start.
    :param close_reason: a failed connect's is RST_RECEIVED, TIMED_OUT, or ERROR; OPEN where it is not known.
    :param errno: of the failed connect or the abnormal end; ECANCELED for a connect that its application gave
        up; 0 for none, also for whoever sent the reset.
    :param mptcp_token: what this end's kernel calls the connection of MPTCP; 0 of TCP.
    :param baseline_tx_bytes: payload acknowledged before the start, which no row may count.
    :param baseline_rx_bytes: payload received before the start, which no row may count.
    :param opened_at_ns: wall clock before connect() or after accept().
    :param kernel: the kernel's own counters, of connections that lived long enough to ask for them.
    :param server_elsewhere: the server's address and port as the other end has them, where the kernel rewrites them.
    """

    kind: str
    netns: int
    local_address: bytes
    local_port: int
    peer_address: bytes
    peer_port: int
    pid: int
    comm: str
    uid: int
    role: Role
    opened_at_ns: int
    closed_at_ns: int = 0
    tx_bytes: int = 0
    rx_bytes: int = 0
    close_reason: CloseReason = CloseReason.OPEN
    errno: int = 0
    failed: bool = False
    adopted: bool = False
    mptcp_token: int = 0
    baseline_tx_bytes: int = 0
    baseline_rx_bytes: int = 0
    kernel: KernelCounters | None = None
    server_elsewhere: tuple[bytes, int] | None = None
    transport: Transport = Transport.TCP
    tx_datagrams: int = 0
    rx_datagrams: int = 0

    @property
    def backend(self) -> tuple[bytes, int]:
        """Address and port of who was called, after all rewriting."""
        if self.role == Role.SERVER:
            return (self.local_address, self.local_port)
        return self.server_elsewhere or (self.peer_address, self.peer_port)

    @property
    def key(self) -> Key:
        """What a report is matched by."""
        here = (self.local_address, self.local_port, self.peer_address, self.peer_port)
        return (self.transport, self.netns, *here)

    @property
    def peer_key(self) -> tuple[bytes, int, bytes, int]:
        """The other end's local and peer address, without its network namespace."""
        local, peer = (self.local_address, self.local_port), (self.peer_address, self.peer_port)
        if self.role == Role.SERVER:
            return (*peer, *(self.server_elsewhere or local))
        return (*(self.server_elsewhere or peer), *local)


@dataclass
class Truth:
    """All ends, and where nothing else may be seen.

    :param host_netns: inode of the network namespace the self-test was started in.
    :param namespaces: inodes of the network namespaces that only the self-test lives in.
    :param ports: its ports on the loopback of the host: every connection it makes there has one of them.
    """

    host_netns: int
    namespaces: list[int]
    ports: list[int]
    ends: list[End] = field(default_factory=list)

    def without_datagrams(self) -> "Truth":
        """What is to be seen where UDP is not."""
        return replace(self, ends=[end for end in self.ends if end.transport != Transport.UDP])

    @property
    def kinds(self) -> Counter[str]:
        """Ends by kind."""
        return Counter(end.kind for end in self.ends)
