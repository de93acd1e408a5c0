"""What the joiner has met: nodes, cgroup paths, and where each socket's flow is."""

from typing import TYPE_CHECKING, Final

import numpy as np

from actors.tuple_index import NOWHERE
from engine.flow_batch import NOWHERE as NO_NODE
from engine.flow_batch import Node
from engine.flow_schema import SIDES
from engine.schema import NO_SLOT, Columns

if TYPE_CHECKING:
    from actors.flow_table import FlowTable
    from actors.joiner import Rows

#: Different paths known; at the limit those of earlier windows are forgotten.
PATHS: Final = 65536
#: Starts of nodes known; at the limit the oldest are forgotten.
NODES: Final = 65536
_NODE: Final = np.uint64(0x9E3779B97F4A7C15)


class Nodes:
    """Numbers of nodes and their starts; 0 is none."""

    def __init__(self) -> None:
        self._numbers: dict[Node, int] = {NO_NODE: 0}

    def number(self, name: str, boot: str) -> int:
        """The number of this start of the node."""
        return self._numbers.setdefault(Node(name, boot), len(self._numbers))

    def names(self) -> list[Node]:
        """Nodes by number."""
        return list(self._numbers)


class Paths:
    """Numbers of cgroup paths; 0 is the empty one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def numbers(self, paths: list[str]) -> np.ndarray:
        """The number of each path; at least one."""
        numbers = [self._numbers.setdefault(path, len(self._numbers)) for path in paths]
        return np.array(numbers or [0], np.uint32)

    def used(self, columns: Columns) -> tuple[Columns, list[str]]:
        """Flow columns with numbers renumbered from 0, and the paths they stand for; the first is empty."""
        marked = np.zeros(len(self._numbers), np.bool_)
        names = [f"{side}.cgroup.index" for side in SIDES]
        for name in names:
            marked[columns[name]] = True
        marked[0] = True
        numbers = (np.cumsum(marked) - 1).astype(np.uint32)
        paths = list(self._numbers)
        kept = [paths[number] for number in np.flatnonzero(marked).tolist()]
        return columns | {name: numbers[columns[name]] for name in names}, kept


class Places:
    """Where the flow of each socket is, by the number of its node, its slot and generation."""

    def __init__(self) -> None:
        self._ends: dict[int, np.ndarray] = {}

    def find(self, rows: "Rows", table: "FlowTable") -> np.ndarray:
        """The end (flow × 2 + side) that each row's socket is, or NOWHERE; shape (n,), int64."""
        slots = rows.columns["socket.slot"].astype(np.int64)
        ends = np.full(len(rows), NOWHERE, np.int64)
        for node in np.flatnonzero(np.bincount(rows.node)).tolist():
            known = self._ends.get(node)
            if known is not None:
                mine = np.flatnonzero((rows.node == node) & (slots < len(known)))
                ends[mine] = known[slots[mine]]
        index = np.maximum(ends, 0)
        flows = index // 2
        right = table.used[flows]
        for side, end in enumerate(table.ends):
            held = (end.said["socket.slot"][flows] == slots) & (end.node[flows] == rows.node)
            held &= end.said["socket.generation"][flows] == rows.columns["socket.generation"]
            right &= held | (index % 2 != side)
        ends[~right] = NOWHERE
        return ends

    def learn(self, rows: "Rows", ends: np.ndarray) -> None:
        """The sockets of these rows are these ends."""
        slots = rows.columns["socket.slot"]
        for node in np.flatnonzero(np.bincount(rows.node)).tolist():
            mine = np.flatnonzero((rows.node == node) & (slots != NO_SLOT))
            if not len(mine):
                continue
            known = self._ends.get(node, np.zeros(0, np.int64))
            highest = int(slots[mine].max())
            if highest >= len(known):
                grown = np.full(1 << highest.bit_length(), NOWHERE, np.int64)
                grown[: len(known)] = known
                known = self._ends[node] = grown
            known[slots[mine]] = ends[mine]

    @staticmethod
    def repeated(rows: "Rows", new: np.ndarray) -> np.ndarray:
        """Which of the ``new`` rows are of a socket that had a row before them; shape (m,), bool."""
        slots = rows.columns["socket.slot"][new].astype(np.uint64)
        generations = rows.columns["socket.generation"][new].astype(np.uint64)
        names = slots << np.uint64(32) | generations
        names += (
            rows.node[new] * _NODE
        )  # two that share a name by chance: one waits for the next turn, no harm
        _, first = np.unique(names, return_index=True)
        again = np.ones(len(new), np.bool_)
        again[first] = False
        again[slots == NO_SLOT] = False
        return again
