"""A client, a router that rewrites, and a server: network namespaces of the test's own, gone when it ends."""

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from probes.kernel.namespaces import NAMED, inside

Result = TypeVar("Result")

CLIENT, ROUTER, SERVER = "client", "router", "server"
#: Of the client, the router at its side and at the server's, the server.
ADDRESSES: Final = {
    4: ("10.77.1.2", "10.77.1.1", "10.77.2.1", "10.77.2.2"),
    6: ("fd77:1::2", "fd77:1::1", "fd77:2::1", "fd77:2::2"),
}
KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
#: An entry as `conntrack -L` prints it: both tuples.
_LISTED: Final = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")

#: Source, destination, and their ports.
Way = tuple[str, str, int, int]
#: Protocol, the original, the reply.
Rewrite = tuple[str, Way, Way]


def run(command: str, *, check: bool = True) -> str:
    """What a command says."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
    return done.stdout


class NatNetwork:
    """Names begin with ``prefix``, which no other test has."""

    def __init__(self, label: str = "trc") -> None:
        self.prefix = f"{label}{os.getpid()}-"

    def name(self, role: str) -> str:
        """The namespace's, in /run/netns."""
        return self.prefix + role

    def path(self, role: str) -> Path:
        """The namespace's."""
        return NAMED / self.name(role)

    def inode(self, role: str) -> int:
        """The namespace's."""
        return self.path(role).stat().st_ino

    def within(self, role: str, action: Callable[[], Result]) -> Result:
        """What ``action`` returns in that namespace."""
        return inside(self.path(role), action)

    def run(self, role: str, command: str, *, check: bool = True) -> str:
        """What a command says in that namespace."""
        return run(f"ip netns exec {self.name(role)} {command}", check=check)

    def add(self, role: str) -> None:
        """A namespace more, with loopback."""
        run(f"ip netns add {self.name(role)}")
        self.run(role, "ip link set lo up")

    def build(self) -> None:
        """All three, with IPv4 and IPv6, routed."""
        for role in (CLIENT, ROUTER, SERVER):
            self.add(role)
        self._join(CLIENT, 0, 1)
        self._join(SERVER, 3, 2)
        for key in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.run(ROUTER, f"sysctl -qw net.{key}=1")

    def _join(self, role: str, own: int, gateway: int) -> None:
        side = f"to-{role}"
        self.run(ROUTER, f"ip link add {side} type veth peer name eth0 netns {self.name(role)}")
        for where, device, at in ((ROUTER, side, gateway), (role, "eth0", own)):
            self.run(where, f"ip link set {device} up")
            self.run(where, f"ip addr add {ADDRESSES[4][at]}/24 dev {device}")
            self.run(where, f"ip addr add {ADDRESSES[6][at]}/64 dev {device} nodad")
        for family, addresses in ADDRESSES.items():
            self.run(role, f"ip -{family} route add default via {addresses[gateway]}")

    def listen(self, role: str, kind: str, address: str, port: int) -> socket.socket:
        """A socket that waits in that namespace."""

        def opened() -> socket.socket:
            listener = self._socket(kind, address)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            if kind == "tcp":
                listener.listen()
            return listener

        return self.within(role, opened)

    def call(self, role: str, kind: str, address: str, port: int) -> int:
        """Speaks to an address from that namespace; the port from which it did."""

        def called() -> int:
            with self._socket(kind, address) as caller:
                caller.settimeout(10)
                caller.connect((address, port))
                caller.send(b"x")
                own: int = caller.getsockname()[1]
                return own

        return self.within(role, called)

    def _socket(self, kind: str, address: str) -> socket.socket:
        return socket.socket(_FAMILIES[6 if ":" in address else 4], KINDS[kind])

    def rewrites(self, role: str) -> set[Rewrite]:
        """Entries of that namespace that rewrite, as the tool `conntrack` lists them."""
        found: set[Rewrite] = set()
        for family in ("ipv4", "ipv6"):
            for line in self.run(role, f"conntrack -L -f {family}").splitlines():
                first, second = (
                    (one, other, int(port), int(to)) for one, other, port, to in _LISTED.findall(line)
                )
                if (first[0], first[1], first[2], first[3]) != (second[1], second[0], second[3], second[2]):
                    found.add((line.split()[0], first, second))
        return found

    def remove(self) -> None:
        """All namespaces, with the rules, links and entries in them."""
        for path in NAMED.glob(f"{self.prefix}*"):
            run(f"ip netns del {path.name}", check=False)


@contextlib.contextmanager
def nat_network(label: str = "trc") -> Iterator[NatNetwork]:
    """The network, for a block.

    :param label: how names begin, where there are several at once.
    """
    network = NatNetwork(label)
    try:
        network.build()
        yield network
    finally:
        network.remove()
