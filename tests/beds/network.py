"""A small internet for NAT: a client, a router and two servers, each a network namespace with a name.

The names hold the process id, and so do the addresses: beds of several test runs on one machine do not meet.
"""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

Family = Literal["ipv4", "ipv6"]
FAMILIES: Final[tuple[Family, ...]] = ("ipv4", "ipv6")

NAMESPACES: Final = Path("/run/netns")
PREFIX: Final = "tr-"
ENDS: Final = ("client", "server1", "server2")
#: Addresses that a service is called by: nobody has them, only rules know them.
_SERVICE_BLOCK: Final = 64
_POOL_BLOCK: Final = 96
_serial = itertools.count()

#: Without duplicate detection an IPv6 address is there at once; packets that leave where they came in are
#: wanted in hairpins, and need no complaint.
_SETTINGS: Final = {
    "ipv6/conf/default/dad_transmits": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
}


def inside(namespace: str) -> list[str]:
    """The beginning of a command line that runs in the namespace."""
    return ["nsenter", f"--net={NAMESPACES / namespace}"]


def execute(*command: str, stdin: str = "") -> str:
    """What the command prints.

    :raises RuntimeError: if it fails, with what it complained of.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}\n{stdin}")
    return done.stdout


def sweep() -> None:
    """Remove namespaces of test runs that were killed."""
    for path in NAMESPACES.glob(f"{PREFIX}*-*-*"):
        process = path.name.split("-")[1]
        if not Path("/proc", process).exists():
            remove(path.name)


def remove(namespace: str) -> None:
    """Remove the name; processes in it, if there are any, keep the namespace."""
    with contextlib.suppress(RuntimeError):
        execute("ip", "netns", "del", namespace)


@dataclass(frozen=True)
class Place:
    """A network namespace with its own addresses."""

    namespace: str
    ipv4: str
    ipv6: str

    def address(self, family: Family) -> str:
        """Its address of this family."""
        return self.ipv4 if family == "ipv4" else self.ipv6

    @property
    def inode(self) -> int:
        """What ``netns.id`` says of it."""
        return (NAMESPACES / self.namespace).stat().st_ino


def ip(namespace: str, commands: str) -> None:
    """Commands of ``ip -batch`` in the namespace."""
    execute("ip", "-n", namespace, "-batch", "-", stdin=commands)


class Ground:
    """Names and addresses of one bed: ``10.A.B.0/24`` and ``fd54:A:B::/48``.

    Block ``n`` is the 16 addresses from ``16 n``, or the subnet ``n`` of IPv6.
    """

    def __init__(self) -> None:
        number = next(_serial)
        tag = os.getpid() % 7000 * 6 + number % 6
        self._high, self._low = 78 + (tag >> 8), tag & 255
        self._names = f"{PREFIX}{os.getpid()}-{number}-"
        self.made: list[str] = []

    def ipv4(self, last: int) -> str:
        """The address that ends with this byte."""
        return f"10.{self._high}.{self._low}.{last}"

    def ipv6(self, subnet: int, last: int) -> str:
        """The address with this last word of the subnet."""
        return ip_address(f"{self.prefixes[1]}{subnet:x}::{last:x}").compressed

    @property
    def prefixes(self) -> tuple[str, str]:
        """How the text of every address of this bed begins."""
        return self.ipv4(0)[:-1], f"fd54:{self._high:x}:{self._low:x}:"

    def namespace(self, role: str) -> str:
        """Make a namespace."""
        name = self._names + role
        execute("ip", "netns", "add", name)
        self.made.append(name)
        script = "".join(f"echo {value} >/proc/sys/net/{key}\n" for key, value in _SETTINGS.items())
        execute(*inside(name), "sh", "-e", stdin=script)
        execute("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def close(self) -> None:
        """Remove all namespaces."""
        while self.made:
            remove(self.made.pop())


class Bed:
    """The router in the middle forwards; what it rewrites is up to the rules of a test."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.router = Place(self.ground.namespace("router"), self.ground.ipv4(1), self.ground.ipv6(0, 1))
        self.client, self.server1, self.server2 = map(self._end, ENDS)
        for address in (f"{self.ground.ipv4(_SERVICE_BLOCK)}/27", f"{self.ground.ipv6(15, 0)}/64"):
            # what the router calls itself needs a way for the first packet; the rules turn it round before
            ip(self.router.namespace, f"route add {address} dev client")

    def _end(self, role: str) -> Place:
        block = ENDS.index(role)
        near, far = (self.ground.ipv4(16 * block + last) for last in (1, 2))
        near6, far6 = (self.ground.ipv6(block, last) for last in (1, 2))
        name = self.ground.namespace(role)
        links = f"link add {role} type veth peer name router netns {name}\n"
        here = f"addr add {near}/28 dev {role}\naddr add {near6}/64 dev {role} nodad\nlink set {role} up\n"
        ip(self.router.namespace, links + here)
        there = f"addr add {far}/28 dev router\naddr add {far6}/64 dev router nodad\nlink set router up\n"
        ip(name, there + f"route add default via {near}\nroute add default via {near6}\n")
        return Place(name, far, far6)

    @property
    def places(self) -> tuple[Place, ...]:
        """All of them."""
        return self.client, self.router, self.server1, self.server2

    def service(self, number: int, family: Family) -> str:
        """The address of a service, which only rules know; ``number`` is 1 to 31."""
        return self.ground.ipv4(_SERVICE_BLOCK + number) if family == "ipv4" else self.ground.ipv6(15, number)

    def pool(self, family: Family) -> str:
        """An address that rules may write as the source."""
        return self.ground.ipv4(_POOL_BLOCK) if family == "ipv4" else self.ground.ipv6(14, 1)

    def backends(self, family: Family) -> list[str]:
        """The addresses of both servers."""
        return [self.server1.address(family), self.server2.address(family)]


@contextlib.contextmanager
def bed() -> Iterator[Bed]:
    """A bed, and nothing of it left at the end."""
    sweep()
    with contextlib.closing(Ground()) as ground:
        yield Bed(ground)
