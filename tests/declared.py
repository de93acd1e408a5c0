"""All that Tailrace's probes declare of their events, for tests."""

from typing import Final

import numpy as np

from model.arrays import Columns
from model.kinds.delta import DELTA
from model.probe import Receiver
from probes.kernel.event_types import EventTypes
from probes.kernel.layout import structs
from probes.registry import PROBES

EVENT_TYPES: Final = EventTypes(PROBES)
#: The number of each kind of event.
KIND: Final = EVENT_TYPES.numbers
#: Structs of all headers, by name.
STRUCTS: Final = {
    **structs("tcp"),
    **structs("conntrack"),
    **structs("process"),
    **structs("http"),
    **structs("handshake"),
    **structs("udp"),
    **structs("listeners"),
    **structs("dns"),
    **structs("drops"),
}


def receiver(called: str) -> type[Receiver]:
    """One that learns nothing."""

    class Deaf:
        name, kind = called, DELTA

        def take(self, events: np.ndarray, offset_ns: int) -> None:
            """Forgets them."""

        def rows(self) -> Columns:
            """None."""
            return {}

    return Deaf
