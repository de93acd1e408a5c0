"""Sockets that send known datagrams, and the flows that the probe counts of them."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import numpy as np

from probes.kernel.layout import enums, rows_where, structs
from probes.kernel.namespaces import inside
from probes.udp.config import UdpConfig, UdpIdle
from tests.declared import KIND
from tests.kernel.loopback import until
from tests.kernel.started import Probes

END: Final = enums("udp")["udp_end"]
FOLD: Final = enums("udp")["udp_fold"]
CAST: Final = enums("udp")["udp_cast"]
APPLICATION: Final = enums("udp")["udp_application"]
ROLE: Final = enums("tcp")["role"]
EVIDENCE: Final = enums("tcp")["evidence"]
HOME: Final = Path("/proc/self/ns/net")
FOUR, SIX = socket.AF_INET, socket.AF_INET6
#: linux/udp.h and asm-generic/socket.h: no name of them is in the module ``socket``.
UDP_SEGMENT, UDP_GRO, SO_RCVBUFFORCE = 103, 104, 33
_ROOM: Final = 64 << 20
#: For a probe for which flows rest a second, with few slots.
IDLE: Final = UdpIdle(1, 2, 3)
HASTY: Final = UdpConfig(enabled="on", slots=64, peers=8, idle=IDLE)


def address(raw: bytes) -> str:
    """As text."""
    found = ip_address(bytes(raw))
    return str(found.ipv4_mapped or found) if found.version == 6 else str(found)


class Flows:
    """What the probe tells, flow by flow: the latest event of each (slot, generation).

    What it told before is forgotten: ports of sockets that are closed may be those of others later.
    """

    def __init__(self, probe: Probes) -> None:
        self._probe = probe
        self._latest: dict[tuple[int, int], np.void] = {}
        self.ends: list[np.void] = []
        self.refresh()
        self._latest, self.ends = {}, []

    def refresh(self) -> None:
        """Reads the cells, then the ring."""
        assert self._probe.datagrams
        open_ones = self._probe.datagrams.read()
        events = self._probe.events()
        of_udp = rows_where(events, events["header"]["kind"] == KIND["KIND_DATAGRAMS"])
        ended = of_udp.view(structs("udp")["datagram_event"])
        self.ends += list(ended)
        for event in (*open_ones, *ended):
            self._latest[int(event["header"]["slot"]), int(event["header"]["generation"])] = event

    def of(self, *sockets: socket.socket) -> list[np.void]:
        """Those of local ports that these sockets have."""
        ports = {one.getsockname()[1] for one in sockets}
        return self.of_ports(*ports)

    def of_ports(self, *ports: int) -> list[np.void]:
        """Those with these local ports."""
        self.refresh()
        return [event for event in self._latest.values() if int(event["socket"]["local_port"]) in ports]

    def await_ends(self, count: int, *ports: int) -> list[np.void]:
        """The ends of so many flows with these local ports."""

        def ended() -> list[np.void]:
            return [event for event in self.ends if int(event["socket"]["local_port"]) in ports]

        def there() -> bool:
            self.refresh()
            return len(ended()) >= count

        assert until(there), f"{len(ended())} of {count} ends"
        return ended()


def total(flows: Sequence[np.void], *names: str) -> tuple[int, ...]:
    """Sums of counters."""
    return tuple(sum(int(flow["counters"][name]) for flow in flows) for name in names)


@contextlib.contextmanager
def sockets() -> Iterator["Sockets"]:
    """Closed at the end."""
    with contextlib.ExitStack() as stack:
        yield Sockets(stack)


@dataclass
class Sockets:
    """Makes sockets in namespaces."""

    stack: contextlib.ExitStack

    def make(self, family: int = FOUR, namespace: Path = HOME) -> socket.socket:
        """One without a name."""
        made = inside(namespace, lambda: socket.socket(family, socket.SOCK_DGRAM))
        made.settimeout(5)
        return self.stack.enter_context(made)

    def server(self, host: str = "127.0.0.1", namespace: Path = HOME, port: int = 0) -> socket.socket:
        """One that waits for datagrams, with room for many."""
        made = self.make(SIX if ":" in host else FOUR, namespace)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _ROOM)
        made.bind((host, port))
        return made


@dataclass
class Sent:
    """What programs count themselves."""

    datagrams: int = 0
    bytes: int = 0
    sizes: list[int] = field(default_factory=list)


def received(server: socket.socket) -> Sent:
    """All that waits in a socket."""
    got = Sent()
    server.setblocking(False)
    while True:
        try:
            data = server.recv(65535)
        except BlockingIOError:
            return got
        got.datagrams += 1
        got.bytes += len(data)
        got.sizes.append(len(data))
