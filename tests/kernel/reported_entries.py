"""What a source of NAT rewrites says, and the entries that are there by it."""

from collections.abc import Callable
from ipaddress import IPv6Address

import numpy as np

from probes.conntrack.feed import Conntrack
from probes.kernel.layout import structs
from tests.declared import KIND
from tests.kernel.loopback import until
from tests.kernel.nat_network import Rewrite, Way

PROTOCOLS = {6: "tcp", 17: "udp", 0: "all"}
NOWHERE = np.empty(0, np.uint32)


class Reported:
    """What a source said so far, and the entries that are there by it."""

    def __init__(self, source: Conntrack) -> None:
        self.source = source
        self.events = np.empty(0, structs("conntrack")["nat_event"])
        self._there: set[tuple[int, Rewrite]] = set()  # with the namespace

    def drain(self) -> np.ndarray:
        """What came now."""
        records = self.source.events()
        if self.source.behind:
            records = np.concatenate((records, self.source.catch_up()))
        events = records.view(structs("conntrack")["nat_event"])
        for event in events:
            self._apply(event)
        self.events = np.concatenate((self.events, events))
        return events

    def _apply(self, event: np.void) -> None:
        entry = int(event["netns"]), rewrite_in(event)
        if event["header"]["kind"] == KIND["KIND_NAT_NEW"]:
            self._there.add(entry)
        elif event["protocol"]:
            self._there.discard(entry)
        else:
            self._there -= {other for other in self._there if other[0] == entry[0]}

    @property
    def rewrites(self) -> set[Rewrite]:
        """Entries that are there now."""
        return {rewrite for _, rewrite in self._there}

    def until(self, condition: Callable[[], bool]) -> bool:
        """Drains until it holds; False if it does not in time."""

        def drained() -> bool:
            self.drain()
            return condition()

        return until(drained)


def rewrite_in(event: np.void) -> Rewrite:
    def way(part: np.void) -> Way:
        source, destination = (
            IPv6Address(part[name].tobytes()) for name in ("source_address", "destination_address")
        )
        ends = [str(address.ipv4_mapped or address) for address in (source, destination)]
        return ends[0], ends[1], int(part["source_port"]), int(part["destination_port"])

    return PROTOCOLS[int(event["protocol"])], way(event["original"]), way(event["reply"])
