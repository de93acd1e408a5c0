"""The numbers in columns of deltas that stand for words."""

from enum import IntEnum


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
    USED = 5  # another process than its owner used the connection, or that executed another program


class CloseReason(IntEnum):
    """What ended the connection: a reset or time-out if there was one, else whose FIN came first; of UDP what ended
    the flow."""

    OPEN = 0
    FIN_SENT = 1
    FIN_RECEIVED = 2
    RST_SENT = 3
    RST_RECEIVED = 4
    TIMED_OUT = 5
    ERROR = 6  # error.errno says which
    UNSEEN = 7  # its end was missed, or the report of it lost; the ledger counts it
    # of UDP
    IDLE = 8  # no datagram came for as long as its kind of exchange may rest
    RELEASED = 9  # the socket was closed
    MOVED = 10  # NAT leads the socket's datagrams to another peer now


class Cast(IntEnum):
    """Whom datagrams are for."""

    UNICAST = 0
    MULTICAST = 1
    BROADCAST = 2


class Folded(IntEnum):
    """Peers of one socket that are one flow, because there are very many."""

    NONE = 0
    PORTS = 1  # all ports of the peer's address
    PEERS = 2  # all peers


class NetworkProtocol(IntEnum):
    """What datagrams are, as far as they say so themselves; 0: not known."""

    QUIC = 1
    DNS = 2


class NatEvidence(IntEnum):
    """Whether all is known that may have rewritten a connection, on its socket's node; from ``LOST`` on more may be
    known later."""

    COMPLETE = 0
    UNSEEN = 1  # for want of a right it cannot be seen there, or what was made before the start cannot
    LOST = 2  # events of its time were lost, and nothing found later tells
    UNDECIDED = 3  # it may be any of several


class NameEvidence(IntEnum):
    """Why a connection's other end is called by a name: who was told the address for it."""

    NONE = 0  # it has no name
    PROCESS = 1  # the process that called
    CONTAINER = 2  # another process of its cgroup
    NAMESPACE = 3  # another process of its network namespace
    TLS = 4  # nobody, as far as is known: its client said the name in the TLS handshake
