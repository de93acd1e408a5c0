"""Who owns each socket, as a number into a table of entities: asked once a process, kept by slot."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from model.arrays import Columns
from model.clock import SECOND_NS
from model.dictionary import Dictionary
from model.enricher import Entity
from model.kinds.delta import NO_SLOT, began_at
from model.tables import NOBODY

#: Processes known at once; at the limit those without a row in this second are forgotten.
OWNERS: Final = 65536
#: What tells two processes of one number apart.
_BIRTH: Final = "process.creation.time"

_Key = tuple[int, str, str]
_Times = tuple[int, int]  # of a connection's beginning, and of its end or the window's


class _Answer(NamedTuple):
    """What was said of an owner, at which version, and for when it was asked."""

    entity: Entity
    version: int
    times: _Times


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
    """Ids of the owners of a node's sockets.

    :param slots: of the node's socket table.
    """

    def __init__(self, slots: int, who: WhoIs) -> None:
        self._who = who
        self._slot_owner = np.zeros(slots, np.uint32)
        self._slot_socket = np.zeros(slots, np.uint64)  # generation and process
        self._known: Dictionary[_Key] = Dictionary((0, "", ""), 2 * OWNERS, OWNERS)
        self._answers: dict[int, _Answer] = {}  # by id

    def _forget(self) -> None:
        """What is at work is asked again, one question for each process."""
        self._known.release()
        self._answers.clear()
        self._slot_socket[:] = 0

    def identify(self, columns: Columns, paths: Sequence[str], window: int) -> list[Entity]:
        """Sets ``entity.index``; returns the entities that it points to, the first of them nobody."""
        if self._known.full:
            self._forget()
        slots, pids = columns["socket.slot"], columns["process.pid"]
        index = np.where(slots == NO_SLOT, 0, slots)
        sockets = columns["socket.generation"].astype(np.uint64) << np.uint64(32) | pids.astype(np.uint64)
        new = (slots == NO_SLOT) | (self._slot_socket[index] != sockets)
        ids = self._slot_owner[index]
        rows = np.flatnonzero(new)
        if len(rows):
            ids[rows] = self._ids(columns, rows, paths, (window + 1) * SECOND_NS)
            rows = rows[slots[rows] != NO_SLOT]
            self._slot_owner[slots[rows]], self._slot_socket[slots[rows]] = ids[rows], sockets[rows]
        return self._table(columns, ids)

    def _ids(self, columns: Columns, rows: np.ndarray, paths: Sequence[str], now_ns: int) -> np.ndarray:
        """The ids of new sockets' owners; one question for each process, about its newest connection."""
        pids, groups = columns["process.pid"][rows], columns["cgroup.index"][rows]
        began, closed = (times[rows] for times in (began_at(columns), columns["connection.closed_at_ns"]))
        pairs = pids.astype(np.uint64) << np.uint64(32) | groups.astype(np.uint64)
        different, inverse = np.unique(pairs, return_inverse=True)
        order = np.argsort(began)
        newest = np.empty(len(different), np.int64)
        newest[inverse[order]] = order  # of several the last stays
        ids = [
            self._id(pid, paths[group] if group < len(paths) else "", (begin or now_ns, end or now_ns))
            for pid, group, begin, end in zip(
                *(column[newest].tolist() for column in (pids, groups, began, closed)), strict=True
            )
        ]
        return np.array(ids, np.uint32)[inverse]

    def _id(self, pid: int, path: str, times: _Times) -> int:
        if not pid and not path:
            return 0
        entity = self._ask(pid, path, times)
        id_ = self._known.id((pid, path, entity.get(_BIRTH, "")))
        if id_ and id_ not in self._answers:
            self._answers[id_] = _Answer(entity, self._who.version, times)
        return id_

    def _ask(self, pid: int, path: str, times: _Times) -> Entity:
        """At the connection's beginning; a process that was not known then is one that began in its course."""
        entity = self._who.attributes(pid, path, times[0])
        return entity if _BIRTH in entity else self._who.attributes(pid, path, times[1])

    def _table(self, columns: Columns, ids: np.ndarray) -> list[Entity]:
        (columns["entity.index"],), used = self._known.used(ids)
        return [self._entity(id_) for id_ in used]

    def _entity(self, id_: int) -> Entity:
        """Asked again when an answer may have changed."""
        if not id_:
            return NOBODY[0]
        answer = self._answers[id_]
        if answer.version != self._who.version:
            pid, path, _ = self._known.values[id_]
            entity = self._ask(pid, path, answer.times)
            answer = self._answers[id_] = _Answer(entity, self._who.version, answer.times)
        return answer.entity
