"""Events of UDP flows made by hand, as the kernel makes them."""

from typing import Any, Final

import numpy as np

from model.addresses import address_bytes
from model.kinds.delta import Role
from probes.kernel.layout import enums, structs

EVENT: Final = structs("udp")["datagram_event"]
END: Final = enums("udp")["udp_end"]
SECOND: Final = 1_000_000_000

_COUNTERS: Final = EVENT["counters"].names or ()


def event(
    slot: int = 0,
    generation: int = 1,
    *,
    end: str = "UDP_OPEN",
    at_s: float = 0.0,
    started_s: float = 0.0,
    local: tuple[str, int] = ("10.0.0.1", 40000),
    peer: tuple[str, int] = ("10.0.0.2", 53),
    role: Role = Role.CLIENT,
    **values: Any,
) -> np.ndarray:
    """One event; ``values`` are counters, or other fields of the event or of its description."""
    made = np.zeros((), EVENT)
    header, socket = made["header"], made["socket"]
    header["slot"], header["generation"], header["kind"] = slot, generation, 50
    header["at_ns"] = int(at_s * SECOND)
    socket["generation"], socket["role"], socket["netns"], socket["family"] = generation, role, 77, 4
    socket["started_ns"] = socket["established_ns"] = int(started_s * SECOND)
    for end_name, (address, port) in (("local", local), ("peer", peer)):
        socket[f"{end_name}_address"] = np.void(address_bytes(address))
        socket[f"{end_name}_port"] = port
    made["end"] = END[end]
    for name, value in values.items():
        (made["counters"] if name in _COUNTERS else made if name in (EVENT.names or ()) else socket)[name] = (
            value
        )
    return made


def events(*made: np.ndarray) -> np.ndarray:
    """Events as one array."""
    return np.array([*made], EVENT)
