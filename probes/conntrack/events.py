"""NAT events as records of the ring: ``struct nat_event`` in the place of ``struct socket_event``."""

from collections.abc import Iterable

import numpy as np

from probes.kernel.layout import enums, structs

NO_SLOT = 0xFFFFFFFF
_ROW = f"V{structs('tcp')['socket_event'].itemsize}"


def no_events() -> np.ndarray:
    """An array of ``struct socket_event`` without any."""
    return np.empty(0, structs("tcp")["socket_event"])


def joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Arrays of ``struct socket_event`` one after the other; as bytes, for numpy joins structs field by field."""
    filled = [part for part in parts if len(part)]
    if len(filled) <= 1:
        return filled[0] if filled else no_events()
    rows: np.ndarray = np.concatenate([part.view(_ROW) for part in filled]).view(
        structs("tcp")["socket_event"]
    )
    return rows


def stamped(events: np.ndarray, netns: np.ndarray, at_ns: np.ndarray | int) -> np.ndarray:
    """``events`` (``struct nat_event``, changed in place) with namespace and time, as ``struct socket_event``."""
    events["header"]["at_ns"] = at_ns
    events["header"]["slot"] = NO_SLOT
    events["netns"] = netns
    records: np.ndarray = np.ascontiguousarray(events).view(structs("tcp")["socket_event"])
    return records


def all_ended(namespaces: Iterable[int], at_ns: int) -> np.ndarray:
    """One event for each namespace: all its entries are ended, unless they come again (``bpf/events.h``)."""
    return joined(of_all("KIND_NAT_DELETED", at_ns, netns=inode) for inode in sorted(namespaces))


def of_all(kind: str, at_ns: int = 0, latest_at_ns: int = 0, *, netns: int = 0) -> np.ndarray:
    """One event about all entries, of a namespace where that matters (``enum conntrack_event``)."""
    events = np.zeros(1, structs("conntrack")["nat_event"])
    events["header"]["kind"] = enums("conntrack")["conntrack_event"][kind]
    events["latest_at_ns"] = latest_at_ns
    return stamped(events, np.array([netns], np.uint32), at_ns)
