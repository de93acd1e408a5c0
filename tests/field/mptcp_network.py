"""A client with two addresses and a server, in namespaces of the test's own, and the subflows that the kernel has."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from probes.kernel.namespaces import NAMED, inside
from tests.kernel.nat_network import run

Result = TypeVar("Result")


def has_mptcp() -> bool:
    """Whether this kernel has MPTCP, switched on."""
    enabled = Path("/proc/sys/net/mptcp/enabled")
    return enabled.exists() and enabled.read_text().strip() == "1"


#: A socket as ss prints it: a line with its addresses, and one of figures.
_LISTED: Final = re.compile(
    r"^\d+\s+\d+\s+(?P<address>[\d.]+)(?:%\w+)?:(?P<port>\d+) .*\n(?P<rest>.*)", re.MULTILINE
)


def _count(figures: str, name: str) -> int:
    found = re.search(rf"bytes_{name}:(\d+)", figures)
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class Subflow:
    """An open one of the client.

    :param acked: bytes, and its SYN.
    """

    address: str
    acked: int
    received: int


class MptcpNetwork:
    """The client's second address is one that its kernel may open subflows from."""

    server_address: Final = "10.78.1.1"
    addresses: Final = ("10.78.1.2", "10.78.2.2")

    def __init__(self) -> None:
        self._client, self._server = (f"trm{os.getpid()}-{role}" for role in ("client", "server"))

    def __enter__(self) -> Self:
        for name in (self._client, self._server):
            run(f"ip netns add {name}")
            run(f"ip -n {name} link set lo up")
            run(f"ip netns exec {name} sysctl -qw net.mptcp.enabled=1 net.ipv4.conf.all.rp_filter=0")
            run(f"ip -n {name} mptcp limits set subflow 2 add_addr_accepted 2")
        for number, address in enumerate(self.addresses):
            ours, theirs = f"trm{os.getpid()}c{number}", f"trm{os.getpid()}s{number}"
            link = (
                f"ip link add {ours} netns {self._client} type veth peer name {theirs} netns {self._server}"
            )
            run(link)
            run(f"ip -n {self._client} addr add {address}/24 dev {ours}")
            run(f"ip -n {self._server} addr add {address.rsplit('.', 1)[0]}.1/24 dev {theirs}")
            run(f"ip -n {self._client} link set {ours} up")
            run(f"ip -n {self._server} link set {theirs} up")
        run(
            f"ip -n {self._client} mptcp endpoint add {self.addresses[1]} dev trm{os.getpid()}c1 id 7 subflow"
        )
        gateway = self.addresses[1].rsplit(".", 1)[0] + ".1"
        run(f"ip -n {self._client} route add default via {gateway} dev trm{os.getpid()}c1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in (self._client, self._server):
            run(f"ip netns del {name}", check=False)

    def at_client(self, action: Callable[[], Result]) -> Result:
        """What ``action`` returns there."""
        return inside(NAMED / self._client, action)

    def at_server(self, action: Callable[[], Result]) -> Result:
        """What ``action`` returns there."""
        return inside(NAMED / self._server, action)

    def subflows(self, port: int) -> dict[int, Subflow]:
        """The client's open ones to this port, by their own ports."""
        said = run(f"ip netns exec {self._client} ss -tinH state established dport = :{port}")
        return {
            int(found["port"]): Subflow(
                found["address"], *(_count(found["rest"], name) for name in ("acked", "received"))
            )
            for found in _LISTED.finditer(said)
        }

    def forget_second_address(self) -> None:
        """The client's kernel closes the subflows that it opened from there."""
        run(f"ip -n {self._client} mptcp endpoint delete id 7")
