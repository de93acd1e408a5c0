"""Which flows are wanted: of the same kind any, of each kind one."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from engine import subjects
from engine.flows import Flow

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Addresses whose answer is remembered.
_REMEMBERED = 4096


def network(text: str) -> Network:
    """``10.0.0.0/8``, or one address.

    :raises ValueError: if it is neither.
    """
    return ipaddress.ip_network(text, strict=False)


@dataclass(frozen=True)
class FlowFilter:
    """Nothing given matches everything.

    :param processes: patterns of names as a shell has them, or process ids.
    :param ports: of either end.
    :param addresses: either end lies in one.
    """

    nodes: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    addresses: tuple[Network, ...] = ()

    @property
    def subject(self) -> str:
        """The subject that has all that is wanted, and as little else as one subject can."""
        return subjects.flow(self.nodes[0]) if len(self.nodes) == 1 else f"{subjects.FLOWS}.>"

    def matcher(self) -> Callable[[Flow], bool]:
        """What tells whether a flow is wanted."""
        known = lru_cache(_REMEMBERED)(self._has_address)

        def wanted(flow: Flow) -> bool:
            return (not self.nodes or flow.node in self.nodes) and (
                (not self.processes or self._has_process(flow.row))
                and (not self.ports or any(flow.row.get(name) in self.ports for name in _PORTS))
                and (not self.addresses or any(known(flow.row.get(name, "")) for name in _ADDRESSES))
            )

        return wanted

    def _has_process(self, row: dict[str, Any]) -> bool:
        name, pid = row.get("process.comm", ""), str(row.get("process.pid", ""))
        return any(fnmatchcase(name, pattern) or pid == pattern for pattern in self.processes)

    def _has_address(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.addresses)


_PORTS = ("network.local.port", "network.peer.port")
_ADDRESSES = ("network.local.address", "network.peer.address")
