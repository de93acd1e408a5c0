"""Where each socket's flow is."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from actors.nat.tuple_index import NOWHERE
from model.kinds.delta import NO_SLOT

if TYPE_CHECKING:
    from actors.join.flow_table import FlowTable
    from actors.join.rows import Rows

_NODE: Final = np.uint64(0x9E3779B97F4A7C15)
_TRANSPORT: Final = np.uint64(0xC2B2AE3D27D4EB4F)


class Places:
    """Where the flow of each socket is, by the id of its node, its transport, slot and generation."""

    def __init__(self) -> None:
        self._ends: dict[tuple[int, int], np.ndarray] = {}  # by slot, for each node and transport

    def find(self, rows: "Rows", table: "FlowTable") -> np.ndarray:
        """The end (flow × 2 + side) that each row's socket is, or NOWHERE; shape (n,), int64."""
        slots = rows.columns["socket.slot"].astype(np.int64)
        ends = np.full(len(rows), NOWHERE, np.int64)
        for key, here in _slot_tables(rows):
            known = self._ends.get(key)
            if known is not None:
                mine = np.flatnonzero(here & (slots < len(known)))
                ends[mine] = known[slots[mine]]
        ends[~table.still(np.maximum(ends, 0), rows.node, rows.columns)] = NOWHERE
        return ends

    def learn(self, rows: "Rows", ends: np.ndarray) -> None:
        """The sockets of these rows are these ends."""
        slots = rows.columns["socket.slot"]
        for key, here in _slot_tables(rows):
            mine = np.flatnonzero(here & (slots != NO_SLOT))
            if not len(mine):
                continue
            known = self._ends.get(key, np.zeros(0, np.int64))
            highest = int(slots[mine].max())
            if highest >= len(known):
                grown = np.full(1 << highest.bit_length(), NOWHERE, np.int64)
                grown[: len(known)] = known
                known = self._ends[key] = grown
            known[slots[mine]] = ends[mine]

    def forget(self, nodes: Iterable[int]) -> None:
        """These ids will be those of other nodes."""
        gone = set(nodes)
        self._ends = {key: ends for key, ends in self._ends.items() if key[0] not in gone}

    @staticmethod
    def repeated(rows: "Rows", new: np.ndarray) -> np.ndarray:
        """Which of the ``new`` rows are of a socket that had a row before them; shape (m,), bool."""
        slots = rows.columns["socket.slot"][new].astype(np.uint64)
        generations = rows.columns["socket.generation"][new].astype(np.uint64)
        names = slots << np.uint64(32) | generations
        # Two that share a name by chance: one waits for the next turn, no harm.
        names += rows.node[new] * _NODE + rows.columns["network.transport"][new] * _TRANSPORT
        _, first = np.unique(names, return_index=True)
        again = np.ones(len(new), np.bool_)
        again[first] = False
        again[slots == NO_SLOT] = False
        return again


def _slot_tables(rows: "Rows") -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Each node and transport, which have slots of their own, and its rows; shape (n,), bool."""
    transports = rows.columns["network.transport"]
    first = int(transports[0]) if len(transports) else 0
    one = bool((transports == first).all())
    present = [first] if one else np.flatnonzero(np.bincount(transports)).tolist()
    for node in np.flatnonzero(np.bincount(rows.node)).tolist():
        here = rows.node == node
        for transport in present:
            yield (node, transport), here if len(present) == 1 else here & (transports == transport)
