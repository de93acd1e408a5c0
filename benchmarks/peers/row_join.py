"""The peer of the joiner: NAT look-up and pairing row by row, in dictionaries keyed by tuples."""

from typing import Any, Final

import numpy as np

from model.arrays import Columns
from model.kinds.delta import COUNTERS, Role

#: Source and destination address, source and destination port.
Tuple = tuple[bytes, bytes, int, int]
Flow = dict[str, Any]

_TUPLE: Final = ("source_address", "destination_address", "source_port", "destination_port")
_REVERSED: Final = ("destination_address", "source_address", "destination_port", "source_port")
_SIDES: Final = {Role.CLIENT: "client.", Role.SERVER: "server."}
#: Far fewer columns than a flow has: what the plainest program would want.
NAMES: Final = (
    "socket.slot",
    "process.pid",
    "connection.state",
    "connection.opened",
    "connection.closed",
    *COUNTERS,
    "rtt_ns",
)
_LOCAL: Final = (
    "network.local.address",
    "network.peer.address",
    "network.local.port",
    "network.peer.port",
    "connection.role",
)


def rows_of(columns: Columns) -> list[dict[str, Any]]:
    """Rows with what ``RowJoin`` looks at."""
    names = (*_LOCAL, *NAMES)
    lists = (columns[name].tolist() for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]


def pairs_of(events: np.ndarray) -> list[tuple[Tuple, Tuple]]:
    """The tuple of each NAT event, and what it is rewritten into."""
    original, reply = (
        [events[side][name].tolist() for name in names]
        for side, names in (("original", _TUPLE), ("reply", _REVERSED))
    )
    return list(zip(zip(*original, strict=True), zip(*reply, strict=True), strict=True))


class RowJoin:
    """A dictionary of rewrites, and one of the connections of a window."""

    def __init__(self) -> None:
        self.rewrites: dict[Tuple, Tuple] = {}

    def learn(self, pairs: list[tuple[Tuple, Tuple]]) -> None:
        """These tuples are rewritten."""
        for called, seen in pairs:
            self.rewrites[called] = seen

    def forget(self, pairs: list[tuple[Tuple, Tuple]]) -> None:
        """And no longer."""
        for called, _ in pairs:
            self.rewrites.pop(called, None)

    def join(self, rows: list[dict[str, Any]]) -> dict[Tuple, Flow]:
        """The flows of a window by their resolved tuple."""
        flows: dict[Tuple, Flow] = {}
        for row in rows:
            local, peer, local_port, peer_port, role = (row[name] for name in _LOCAL)
            if role == Role.CLIENT:
                called = (local, peer, local_port, peer_port)
                key = self.rewrites.get(called, called)
            else:
                called = key = (peer, local, peer_port, local_port)
            flow = flows.get(key)
            if flow is None:
                flow = flows[key] = {}
            side = _SIDES[role]
            if role == Role.CLIENT:
                flow["called"] = called
            for name in NAMES:
                flow[side + name] = row[name]
        return flows
