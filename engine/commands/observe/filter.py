"""Which flows, or workloads, are wanted: of the same kind any, of each kind one."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from model.kinds.flow import SIDES
from model.public import PublicRow

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

    :param nodes: of either end.
    :param processes: patterns of names as a shell has them, or process ids; of either end.
    :param ports: of either end, or of the service that was called.
    :param addresses: one of them holds either end, or the service that was called.
    :param evidence: grades.
    :param workloads: patterns of names, or of ``namespace/name``; of either end. Flows have none.
    """

    nodes: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    addresses: tuple[Network, ...] = ()
    evidence: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()

    def matcher(self) -> Callable[[PublicRow], bool]:
        """What tells whether a flow is wanted."""
        known = lru_cache(_REMEMBERED)(self._has_address)

        def wanted(flow: PublicRow) -> bool:
            row = flow.row
            return (not self.evidence or row.get("evidence") in self.evidence) and (
                (not self.nodes or any(row.get(f"{side}.node") in self.nodes for side in SIDES))
                and (not self.workloads or any(self._has_workload(row, side) for side in SIDES))
                and (not self.processes or any(self._has_process(row, side) for side in SIDES))
                and (not self.ports or any(row.get(f"{end}.port") in self.ports for end in _ENDS))
                and (not self.addresses or any(known(row.get(f"{end}.address", "")) for end in _ENDS))
            )

        return wanted

    def _has_process(self, row: dict[str, Any], side: str) -> bool:
        name, pid = row.get(f"{side}.process.comm", ""), str(row.get(f"{side}.process.pid", ""))
        return any((name and fnmatchcase(name, pattern)) or pid == pattern for pattern in self.processes)

    def _has_workload(self, row: dict[str, Any], side: str) -> bool:
        name, namespace = (row.get(f"{side}.workload.{part}", "") for part in ("name", "namespace"))
        names = (name, f"{namespace}/{name}")
        return any(fnmatchcase(text, pattern) for pattern in self.workloads for text in names)

    def _has_address(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.addresses)


_ENDS = (*SIDES, "service")
