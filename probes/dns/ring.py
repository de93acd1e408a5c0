"""What the DNS probe's programs tell: packets with messages, in a ring that is read here alone."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from probes.dns.messages import RECORD
from probes.kernel import bpf
from probes.kernel.layout import enums
from probes.kernel.loader import Loaded
from probes.kernel.ring import RingReader

_TALLIES: Final = {
    name.removeprefix("DNS_").lower(): index
    for name, index in enums("dns")["dns_tally"].items()
    if name != "DNS_TALLIES"
}


class PacketRing:
    """Packets of DNS.

    :param loaded: with nothing attached yet.
    :param ring_bytes: of the ring.
    :param ports: of servers.
    """

    def __init__(self, loaded: Loaded, ring_bytes: int, ports: Sequence[int]) -> None:
        self._loaded = loaded
        self._ring = RingReader(loaded.maps["dns_ring"], ring_bytes, RECORD)
        for port in ports:
            bpf.map_update(loaded.maps["dns_ports"], port.to_bytes(4, "little"), b"\1")

    def waiting(self) -> int:
        """How many records wait to be read."""
        return self._ring.waiting()

    def peek(self) -> np.ndarray:
        """All of them, oldest first, valid until ``release``."""
        return self._ring.peek()

    def release(self) -> None:
        """What ``peek`` showed is no longer needed."""
        self._ring.release()

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum dns_tally``."""
        values = bpf.percpu_lookup(self._loaded.maps["dns_tallies"], len(_TALLIES))
        return {name: int(values[index]) for name, index in _TALLIES.items()}

    def close(self) -> None:
        """Unmaps the ring."""
        self._ring.close()
