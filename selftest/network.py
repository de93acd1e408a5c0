"""Three network namespaces in a row, left - router - right, which live as long as the process they are of."""

import contextlib
import errno
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.rows.words import endpoint_text
from selftest.errors import TrafficError
from selftest.linux import enter_network, network_inode, new_network
from selftest.profile import SLOWNESS

READY_SECONDS: Final = 5.0 * SLOWNESS
#: Without them IPv6 waits two seconds for others who might have our addresses.
NO_ADDRESS_TESTS: Final = ("ipv6/conf/default/dad_transmits", "ipv6/conf/default/accept_dad")
FORWARDING: Final = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")

LEFT: Final = """
addr add 10.77.1.2/24 dev router
addr add fd77:1::2/64 dev router nodad
link set lo up
link set router up
route add default via 10.77.1.1
route add default via fd77:1::1
"""

RIGHT: Final = LEFT.replace("10.77.1.", "10.77.2.").replace("fd77:1:", "fd77:2:")

#: Nobody answers behind 10.77.3.0/24; the router itself answers "unreachable" for 10.77.4.0/24.
ROUTER: Final = """
link set lo up
link add left type veth peer name router netns {left}
link add right type veth peer name router netns {right}
addr add 10.77.1.1/24 dev left
addr add 10.77.2.1/24 dev right
addr add fd77:1::1/64 dev left nodad
addr add fd77:2::1/64 dev right nodad
link set left up
link set right up
route add blackhole 10.77.3.0/24
route add blackhole fd77:3::/64
route add unreachable 10.77.4.0/24
route add unreachable fd77:4::/64
"""

#: Nobody has the first addresses: the left namespace sends who calls them to two ports of the second, by turns.
BACKENDS: Final = {"10.77.5.1": "10.77.2.2", "fd77:5::1": "fd77:2::2"}
SERVICE_PORT: Final = 80
BACKEND_PORTS: Final = (7701, 7702)
REWRITES: Final = "".join(
    f"""
table {family} selftest {{
    chain calls {{
        type nat hook output priority -100;
        {family} daddr {service} tcp dport {SERVICE_PORT} numgen inc mod 2 0 dnat to {first}
        {family} daddr {service} tcp dport {SERVICE_PORT} dnat to {second}
    }}
}}
"""
    for family, (service, backend) in zip(("ip", "ip6"), BACKENDS.items(), strict=True)
    for first, second in [[endpoint_text(backend, port) for port in BACKEND_PORTS]]
)


@dataclass(frozen=True)
class Route:
    """Where the two ends of a connection live.

    :param client: descriptor of the client's network namespace, None for the host's.
    :param server: descriptor of the server's network namespace, None for the host's.
    :param address: address of the server.
    """

    client: int | None
    server: int | None
    address: str


class Network:
    """The namespaces; nothing of them has a name, so nothing stays when the processes are gone.

    :raises TrafficError: without the right to make them, or without iproute2.
    """

    def __init__(self) -> None:
        self.host_inode = network_inode()
        self._left, self._router, self._right = new_network(), new_network(), new_network()
        descriptors = (self._left, self._router, self._right)
        self.inodes = [os.fstat(descriptor).st_ino for descriptor in descriptors]
        for descriptor in descriptors:
            _set(descriptor, NO_ADDRESS_TESTS, "0")
        _set(self._router, FORWARDING, "1")
        self._ip(self._router, ROUTER.format(left=_path(self._left), right=_path(self._right)))
        self._ip(self._left, LEFT)
        self._ip(self._right, RIGHT)
        self.rewrites = _rewrite(self._left)
        with _inside(self._left):
            _await_answer("fd77:2::2")

    def _ip(self, descriptor: int, commands: str) -> None:
        with _inside(descriptor):
            try:
                done = subprocess.run(
                    ["ip", "-batch", "-"], input=commands, text=True, capture_output=True, check=False
                )
            except FileNotFoundError as error:
                raise TrafficError("there is no `ip` program", "install iproute2") from error
        if done.returncode:
            raise TrafficError(f"cannot set up a network namespace: {done.stderr.strip()}")

    @property
    def host(self) -> list[Route]:
        """Loopback of the host, IPv4 and IPv6."""
        return [Route(None, None, "127.0.0.1"), Route(None, None, "::1")]

    @property
    def inside(self) -> list[Route]:
        """Loopback of the left namespace, IPv4 and IPv6."""
        return [Route(self._left, self._left, "127.0.0.1"), Route(self._left, self._left, "::1")]

    @property
    def across(self) -> list[Route]:
        """From left to right through the router, IPv4 and IPv6."""
        return [Route(self._left, self._right, "10.77.2.2"), Route(self._left, self._right, "fd77:2::2")]

    @property
    def services(self) -> list[Route]:
        """From left to right by a service address; none where there is no `nft` to rewrite it."""
        if not self.rewrites:
            return []
        return [Route(self._left, self._right, service) for service in BACKENDS]

    @property
    def silent(self) -> list[Route]:
        """To where nobody answers."""
        return [Route(self._left, None, "10.77.3.3"), Route(self._left, None, "fd77:3::3")]

    @property
    def unreachable(self) -> list[Route]:
        """To where the router says by ICMP that there is no way."""
        return [Route(self._left, None, "10.77.4.4"), Route(self._left, None, "fd77:4::4")]


def _rewrite(descriptor: int) -> bool:
    """Let calls of the services in this namespace go to their backends; whether this machine can."""
    with _inside(descriptor):
        try:
            done = subprocess.run(
                ["nft", "-f", "-"], input=REWRITES, text=True, capture_output=True, check=False
            )
        except FileNotFoundError:
            return False
    return done.returncode == 0


def _await_answer(address: str) -> None:
    """IPv6 is ready some time after its links are: ask a closed port of ``address`` until it refuses."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET6) as sock:
            sock.settimeout(0.05)
            if sock.connect_ex((address, 1)) == errno.ECONNREFUSED:
                return
    raise TrafficError(f"{address} does not answer through the router of the self-test")


def _set(descriptor: int, settings: tuple[str, ...], value: str) -> None:
    with _inside(descriptor):
        for setting in settings:
            Path("/proc/sys/net", setting).write_text(value)


def _path(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


@contextlib.contextmanager
def _inside(descriptor: int) -> Iterator[None]:
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        enter_network(descriptor)
        yield
    finally:
        enter_network(here)
        os.close(here)
