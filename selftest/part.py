"""What a process of the self-test plays: it opens the sockets it owns and records them."""

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any

from model.kinds.delta import CloseReason, Role
from selftest.errors import TrafficError
from selftest.linux import die_with, name_process, network_inode
from selftest.profile import SLOWNESS, Profile
from selftest.traffic_socket import ConnectAttempt, TrafficSocket
from selftest.truth import End, address_bytes

LINK_SECONDS = 25.0 * SLOWNESS
BACKLOG = 128


@dataclass
class Part:
    """The state of one process.

    :param address: address that the server of this part's pair listens on.
    :param link: pipe to the process that plays the other end.
    :param ports: ports this part used on an address of its namespace, for the list of own ports.
    """

    kind: str
    comm: str
    address: str
    link: "Connection[Any, Any]"
    profile: Profile
    ends: list[End] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.netns = network_inode()

    def send_to_peer(self, value: object = None) -> None:
        """Send a value to the other end's process."""
        self.link.send(value)

    def receive_from_peer(self) -> Any:
        """The next value from the other end's process.

        :raises TrafficError: if none comes in time.
        """
        if not self.link.poll(LINK_SECONDS):
            raise TrafficError(f"{self.comm}: the other process says nothing")
        return self.link.recv()

    def new_socket(self, address: str = "", protocol: int = socket.IPPROTO_TCP) -> socket.socket:
        """A TCP socket of the family of ``address``, or one of MPTCP."""
        family = socket.AF_INET6 if ":" in (address or self.address) else socket.AF_INET
        return socket.socket(family, socket.SOCK_STREAM, protocol)

    def own(self, sock: socket.socket) -> int:
        """Note the local port of ``sock`` as one of the self-test's own."""
        port: int = sock.getsockname()[1]
        self.ports.append(port)
        return port

    def listen(self, address: str = "", protocol: int = socket.IPPROTO_TCP) -> socket.socket:
        """A listening socket; its port is told to the other end."""
        sock = self.new_socket(address, protocol)
        sock.bind((address or self.address, 0))
        sock.listen(BACKLOG)
        self.send_to_peer(self.own(sock))
        return sock

    def connect(self, port: int, bound: socket.socket | None = None) -> TrafficSocket:
        """A connection to the server, from ``bound`` if given."""
        sock = bound or self.new_socket()
        at = time.time_ns()
        sock.connect((self.address, port))
        return TrafficSocket(sock, self.record(sock, sock.getpeername(), Role.CLIENT, at))

    def accept(self, listener: socket.socket) -> TrafficSocket:
        """The next connection; this process is the first to move bytes on it."""
        sock, peer = listener.accept()
        return TrafficSocket(sock, self.record(sock, peer, Role.SERVER, time.time_ns()))

    def attempt(self, port: int) -> ConnectAttempt:
        """A connect in the background, with one SYN sent again, that is expected to fail."""
        sock = self.new_socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        sock.setblocking(False)
        at = time.time_ns()
        if sock.connect_ex((self.address, port)) != errno.EINPROGRESS:
            raise TrafficError(f"{self.kind}: a connect ended before its answer could come")
        return ConnectAttempt(sock, self.record(sock, (self.address, port), Role.CLIENT, at))

    def blocking_refusal(self, port: int) -> None:
        """A blocking connect to a closed port of this host, from a bound socket.

        :raises TrafficError: if it succeeds.
        """
        sock = self.new_socket()
        sock.bind((self.address, 0))
        end = self.record(sock, (self.address, port), Role.CLIENT, time.time_ns())
        code = sock.connect_ex((self.address, port))
        if code != errno.ECONNREFUSED:
            raise TrafficError(f"{self.kind}: a connect ended with {os.strerror(code)!r}")
        sock.close()
        end.failed, end.errno, end.close_reason = True, code, CloseReason.RST_RECEIVED
        end.closed_at_ns = time.time_ns()

    def record(self, sock: socket.socket, peer: tuple[Any, ...], role: Role, opened_at_ns: int) -> End:
        """The record of a socket of this process."""
        local = sock.getsockname()
        owner = (os.getpid(), self.comm, os.geteuid())
        here = (self.netns, address_bytes(local[0]), local[1], address_bytes(peer[0]), peer[1])
        end = End(self.kind, *here, *owner, role, opened_at_ns)
        self.ends.append(end)
        return end

    def fork(self, comm: str, act: Callable[["Part"], None]) -> "ForkedChild":
        """A child process called ``comm`` that acts and exits at once, leaving its sockets to the kernel.

        Its part begins without ends; `ForkedChild.join` brings those it made.
        """
        mine, theirs = Pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            die_with(parent)
            name_process(comm)
            _act_and_exit(Part(self.kind, comm, self.address, self.link, self.profile), act, theirs)
        theirs.close()
        return ForkedChild(self, pid, mine)


def _act_and_exit(part: Part, act: Callable[[Part], None], channel: "Connection[Any, Any]") -> None:
    try:
        act(part)
        channel.send(part.ends)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the process that forked us must hear of it
        channel.send(TrafficError(f"{part.comm}: {error!r}"))
    finally:
        os._exit(0)


@dataclass
class ForkedChild:
    """A process that a part forked."""

    parent: Part
    pid: int
    channel: "Connection[Any, Any]"

    def join(self) -> None:
        """Wait for its exit and take over the ends it recorded.

        :raises TrafficError: if it failed or says nothing in time.
        """
        heard = (
            self.channel.recv() if self.channel.poll(LINK_SECONDS) else TrafficError("no word from a fork")
        )
        os.waitpid(self.pid, 0)
        self.channel.close()
        if isinstance(heard, TrafficError):
            raise heard
        self.parent.ends.extend(heard)


#: What a process does. It yields twice: when everything that must exist before the start does, and when
#: the traffic of the run is done; what follows closes the rest.
Body = Callable[[Part], Iterator[None]]
