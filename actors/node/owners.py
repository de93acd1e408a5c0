"""Who owns each socket, as a number into a table of entities: asked once a process, kept by slot."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from model.arrays import Columns
from model.clock import SECOND_NS
from model.enricher import Entity
from model.kinds.delta import NO_SLOT, began_at

#: Processes known at once; at the limit those without a row in this second are forgotten.
OWNERS: Final = 65536
#: What tells two processes of one number apart.
_BIRTH: Final = "process.creation.time"

_Key = tuple[int, str, str]
_Times = tuple[int, int]  # of a connection's beginning, and of its end or the window's


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
        #: The version at which it was asked, and for when.
        self._asked: list[tuple[int, _Times]] = [(0, (0, 0))]
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
            numbers[rows] = self._number_all(columns, rows, paths, (window + 1) * SECOND_NS)
            rows = rows[slots[rows] != NO_SLOT]
            self._slot_owner[slots[rows]], self._slot_socket[slots[rows]] = numbers[rows], sockets[rows]
        return self._table(columns, numbers)

    def _number_all(
        self, columns: Columns, rows: np.ndarray, paths: Sequence[str], now_ns: int
    ) -> np.ndarray:
        """The numbers of new sockets' owners; one question for each process, about its newest connection."""
        pids, groups = columns["process.pid"][rows], columns["cgroup.index"][rows]
        began, closed = (times[rows] for times in (began_at(columns), columns["connection.closed_at_ns"]))
        pairs = pids.astype(np.uint64) << np.uint64(32) | groups.astype(np.uint64)
        different, inverse = np.unique(pairs, return_inverse=True)
        order = np.argsort(began)
        newest = np.empty(len(different), np.int64)
        newest[inverse[order]] = order  # of several the last stays
        numbers = [
            self._number(pid, paths[group] if group < len(paths) else "", (begin or now_ns, end or now_ns))
            for pid, group, begin, end in zip(
                *(column[newest].tolist() for column in (pids, groups, began, closed)), strict=True
            )
        ]
        return np.array(numbers, np.uint32)[inverse]

    def _number(self, pid: int, path: str, times: _Times) -> int:
        if not pid and not path:
            return 0
        entity = self._ask(pid, path, times)
        key = (pid, path, entity.get(_BIRTH, ""))
        number = self._numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
            self._entities.append(entity)
            self._asked.append((self._who.version, times))
        return number

    def _ask(self, pid: int, path: str, times: _Times) -> Entity:
        """At the connection's beginning; a process that was not known then is one that began in its course."""
        entity = self._who.attributes(pid, path, times[0])
        return entity if _BIRTH in entity else self._who.attributes(pid, path, times[1])

    def _table(self, columns: Columns, numbers: np.ndarray) -> list[Entity]:
        marked = np.zeros(len(self._keys), np.bool_)
        marked[numbers] = marked[0] = True
        columns["entity.index"] = (np.cumsum(marked) - 1).astype(np.uint32)[numbers]
        return [self._entity(number) for number in np.flatnonzero(marked).tolist()]

    def _entity(self, number: int) -> Entity:
        """Asked again when an answer may have changed."""
        version, times = self._asked[number]
        if number and version != self._who.version:
            pid, path, _ = self._keys[number]
            self._entities[number] = self._ask(pid, path, times)
            self._asked[number] = (self._who.version, times)
        return self._entities[number]
