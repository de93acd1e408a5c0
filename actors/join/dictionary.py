"""What the joiner has met: numbers for nodes, paths and entities, and where each socket's flow is."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import numpy as np

from actors.nat.tuple_index import NOWHERE
from model.arrays import Columns
from model.kinds.delta import NO_SLOT

if TYPE_CHECKING:
    from actors.join.flow_table import FlowTable
    from actors.join.rows import Rows

#: Different values of a kind known at once.
KNOWN: Final = 65536
_NODE: Final = np.uint64(0x9E3779B97F4A7C15)

Value = TypeVar("Value", bound=Hashable)


class Numbers(Generic[Value]):
    """Numbers for values, so that columns hold them; 0 is that of ``nothing``.

    :param limit: at once; past it new values get 0, counted in ``refused``, until ``release`` made room.
    """

    def __init__(self, nothing: Value, limit: int = KNOWN) -> None:
        self._limit = limit
        self._numbers: dict[Value, int] = {nothing: 0}
        self._free: list[int] = []
        self.values: list[Value] = [nothing]
        self.refused = 0

    def __len__(self) -> int:
        return len(self.values)

    def number(self, value: Value) -> int:
        """The number of this value."""
        number = self._numbers.get(value)
        if number is None:
            number = self._new(value)
        return number

    def all(self, values: Iterable[Value]) -> np.ndarray:
        """The numbers of these values, nearly all of which are known; uint32."""
        found = list(map(self._numbers.get, values := list(values)))
        if None in found:
            found = list(map(self.number, values))
        return np.array(found, np.uint32)

    def _new(self, value: Value) -> int:
        if self._free:
            number = self._free.pop()
            self.values[number] = value
        elif len(self.values) < self._limit:
            number = len(self.values)
            self.values.append(value)
        else:
            self.refused += 1
            return 0
        self._numbers[value] = number
        return number

    @property
    def full(self) -> bool:
        """Whether few new values would still find a number: time to ``release``."""
        return len(self._free) + self._limit - len(self.values) < self._limit // 8

    def release(self, in_use: np.ndarray) -> list[int]:
        """Gives up, and returns, all numbers but 0 and those ``in_use``."""
        kept = set(in_use.tolist()) | {0}
        gone = [number for number in self._numbers.values() if number not in kept]
        for number in gone:
            del self._numbers[self.values[number]]
        self._free += gone
        return gone


def used(columns: Columns, names: Sequence[str], count: int) -> tuple[Columns, list[int]]:
    """Columns of numbers below ``count`` renumbered from 0, and the numbers that they stand for; 0 stays first."""
    marked = np.zeros(count, np.bool_)
    for name in names:
        marked[columns[name]] = True
    marked[0] = True
    numbers = (np.cumsum(marked) - 1).astype(np.uint32)
    return columns | {name: numbers[columns[name]] for name in names}, np.flatnonzero(marked).tolist()


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

    def forget(self, nodes: Iterable[int]) -> None:
        """These numbers will be those of other nodes."""
        for node in nodes:
            self._ends.pop(node, None)

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
