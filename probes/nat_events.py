"""NAT events as records of the ring: ``struct nat_event`` in the place of ``struct socket_event``."""

from collections.abc import Iterable

import numpy as np

from probes.layout import enums, structs

NO_SLOT = 0xFFFFFFFF


def no_events() -> np.ndarray:
    """An array of ``struct socket_event`` without any."""
    return np.empty(0, structs()["socket_event"])


def stamped(events: np.ndarray, netns: np.ndarray, at_ns: int) -> np.ndarray:
    """``events`` (``struct nat_event``, changed in place) with namespace and time, as ``struct socket_event``."""
    events["header"]["at_ns"] = at_ns
    events["header"]["slot"] = NO_SLOT
    events["netns"] = netns
    records: np.ndarray = np.ascontiguousarray(events).view(structs()["socket_event"])
    return records


def all_ended(namespaces: Iterable[int], at_ns: int) -> np.ndarray:
    """One event for each namespace: all its entries are ended, unless they come again (``bpf/events.h``)."""
    inodes = np.array(sorted(namespaces), np.uint32)
    events = np.zeros(len(inodes), structs()["nat_event"])
    events["header"]["kind"] = enums()["event_kind"]["KIND_NAT_DELETED"]
    return stamped(events, inodes, at_ns)
