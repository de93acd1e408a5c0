"""Who owns each socket, as a number into a table of entities: asked once a process, kept by slot."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from engine.clock import SECOND_NS
from engine.enricher import Entity
from engine.schema import NO_SLOT, Columns

#: Processes known at once; at the limit those without a row in this second are forgotten.
OWNERS: Final = 65536
#: What tells two processes of one number apart.
_BIRTH: Final = "process.creation.time"

_Key = tuple[int, str, str]


class WhoIs(Protocol):
    """What knows the processes and containers of a node, from memory."""

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed."""

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes executions of programs in: ``struct exec_event``, and wall clock minus CLOCK_MONOTONIC."""

    def attributes(self, pid: int, cgroup_path: str, at_ns: int) -> Entity:
        """Who this process was at that time; empty if nobody knows."""


class Owners:
    """Numbers of the owners of a node's sockets.

    :param slots: of the node's socket table.
    """

    def __init__(self, slots: int, who: WhoIs) -> None:
        self._who = who
        self._slot_owner = np.zeros(slots, np.uint32)
        self._slot_socket = np.zeros(slots, np.uint64)  # generation and process
        self._clear()

    def _clear(self) -> None:
        self._numbers: dict[_Key, int] = {(0, "", ""): 0}
        self._keys: list[_Key] = [(0, "", "")]
        self._entities: list[Entity] = [{}]
        self._asked: list[tuple[int, int]] = [(0, 0)]  # the version at which it was asked, and for when
        self._slot_socket[:] = 0

    def identify(self, columns: Columns, paths: Sequence[str], window: int) -> list[Entity]:
        """Sets ``entity.index``; returns the entities that it points to, the first of them nobody."""
        if len(self._keys) >= OWNERS:
            self._clear()
        slots, pids = columns["socket.slot"], columns["process.pid"]
        index = np.where(slots == NO_SLOT, 0, slots)
        sockets = columns["socket.generation"].astype(np.uint64) << np.uint64(32) | pids.astype(np.uint64)
        new = (slots == NO_SLOT) | (self._slot_socket[index] != sockets)
        numbers = self._slot_owner[index]
        rows = np.flatnonzero(new)
        if len(rows):
            numbers[rows] = self._number_all(pids[rows], columns["cgroup.index"][rows], paths, window)
            rows = rows[slots[rows] != NO_SLOT]
            self._slot_owner[slots[rows]], self._slot_socket[slots[rows]] = numbers[rows], sockets[rows]
        return self._table(columns, numbers)

    def _number_all(
        self, pids: np.ndarray, groups: np.ndarray, paths: Sequence[str], window: int
    ) -> np.ndarray:
        """The numbers of new sockets' owners; one question for each process."""
        pairs = pids.astype(np.uint64) << np.uint64(32) | groups.astype(np.uint64)
        different, inverse = np.unique(pairs, return_inverse=True)
        at_ns = (window + 1) * SECOND_NS
        numbers = [
            self._number(pair >> 32, paths[group] if group < len(paths) else "", at_ns)
            for pair in different.tolist()
            for group in (pair & 0xFFFFFFFF,)
        ]
        return np.array(numbers, np.uint32)[inverse]

    def _number(self, pid: int, path: str, at_ns: int) -> int:
        if not pid and not path:
            return 0
        entity = self._who.attributes(pid, path, at_ns)
        key = (pid, path, entity.get(_BIRTH, ""))
        number = self._numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
            self._entities.append(entity)
            self._asked.append((self._who.version, at_ns))
        return number

    def _table(self, columns: Columns, numbers: np.ndarray) -> list[Entity]:
        marked = np.zeros(len(self._keys), np.bool_)
        marked[numbers] = marked[0] = True
        columns["entity.index"] = (np.cumsum(marked) - 1).astype(np.uint32)[numbers]
        return [self._entity(number) for number in np.flatnonzero(marked).tolist()]

    def _entity(self, number: int) -> Entity:
        """Asked again when an answer may have changed."""
        version, at_ns = self._asked[number]
        if number and version != self._who.version:
            pid, path, _ = self._keys[number]
            self._entities[number] = self._who.attributes(pid, path, at_ns)
            self._asked[number] = (self._who.version, at_ns)
        return self._entities[number]
