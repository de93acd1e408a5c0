"""All that Tailrace's probes declare of their events, for tests."""

from typing import Final

from probes.kernel.event_types import EventTypes
from probes.kernel.layout import structs
from probes.registry import PROBES

EVENT_TYPES: Final = EventTypes(PROBES)
#: The number of each kind of event.
KIND: Final = EVENT_TYPES.numbers
#: Structs of all headers, by name.
STRUCTS: Final = {**structs("tcp"), **structs("conntrack"), **structs("process")}
