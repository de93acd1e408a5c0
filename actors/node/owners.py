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
#: What is there if the process is known.
_BIRTH: Final = "process.creation.time"

_Key = tuple[int, int, str]  # pid, program, path of the cgroup
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

    def attributes(self, pid: int, program: int, cgroup_path: str, at_ns: int) -> Entity:
        """Who this process was at that time; empty if nobody knows.

        :param program: of ``struct owner``: pids are used again.
        """


class Owners:
    """Ids of the owners of a node's sockets.

    :param slots: of the node's socket table.
    """

    def __init__(self, slots: int, who: WhoIs) -> None:
        self._who = who
        self._slot_owner = np.zeros(slots, np.uint32)
        self._slot_socket = np.zeros(slots, np.uint64)  # generation and process
        self._slot_program = np.zeros(slots, np.uint64)
        self._known: Dictionary[_Key] = Dictionary((0, 0, ""), 2 * OWNERS, OWNERS)
        self._answers: dict[int, _Answer] = {}  # by id

    def _forget(self) -> None:
        """What is at work is asked again, one question for each process."""
        self._known.release()
        self._answers.clear()
        self._slot_socket[:] = 0

    def identify(
        self, columns: Columns, programs: np.ndarray, paths: Sequence[str], window: int
    ) -> list[Entity]:
        """Sets ``entity.index``; returns the entities that it points to, the first of them nobody.

        :param programs: of the owners, as in ``struct owner``.
        """
        if self._known.full:
            self._forget()
        slots, pids = columns["socket.slot"], columns["process.pid"]
        index = np.where(slots == NO_SLOT, 0, slots)
        sockets = columns["socket.generation"].astype(np.uint64) << np.uint64(32) | pids.astype(np.uint64)
        known = (self._slot_socket[index] == sockets) & (self._slot_program[index] == programs)
        ids = self._slot_owner[index]
        rows = np.flatnonzero(~known | (slots == NO_SLOT))
        if len(rows):
            ids[rows] = self._ids(columns, programs, rows, paths, (window + 1) * SECOND_NS)
            rows = rows[slots[rows] != NO_SLOT]
            self._slot_owner[slots[rows]], self._slot_socket[slots[rows]] = ids[rows], sockets[rows]
            self._slot_program[slots[rows]] = programs[rows]
        return self._table(columns, ids)

    def _ids(
        self, columns: Columns, programs: np.ndarray, rows: np.ndarray, paths: Sequence[str], now_ns: int
    ) -> np.ndarray:
        """The ids of new sockets' owners; one question for each process, about its newest connection."""
        pids, groups = columns["process.pid"][rows], columns["cgroup.index"][rows]
        began, closed = (times[rows] for times in (began_at(columns), columns["connection.closed_at_ns"]))
        newest, inverse = _newest(programs[rows], pids.astype(np.uint64) << np.uint64(32) | groups, began)
        owners = (column[newest].tolist() for column in (pids, programs[rows], groups, began, closed))
        ids = [
            self._id(
                (pid, program, paths[group] if group < len(paths) else ""), (begin or now_ns, end or now_ns)
            )
            for pid, program, group, begin, end in zip(*owners, strict=True)
        ]
        known: np.ndarray = np.array(ids, np.uint32)[inverse]
        return known

    def _id(self, key: _Key, times: _Times) -> int:
        pid, _, path = key
        if not pid and not path:
            return 0
        id_ = self._known.id(key)
        if id_ and id_ not in self._answers:
            self._answers[id_] = _Answer(self._ask(key, times), self._who.version, times)
        return id_

    def _ask(self, key: _Key, times: _Times) -> Entity:
        """At the connection's beginning; a process that was not known then is one that began in its course."""
        entity = self._who.attributes(*key, times[0])
        return entity if _BIRTH in entity else self._who.attributes(*key, times[1])

    def _table(self, columns: Columns, ids: np.ndarray) -> list[Entity]:
        (columns["entity.index"],), used = self._known.used(ids)
        return [self._entity(id_) for id_ in used]

    def _entity(self, id_: int) -> Entity:
        """Asked again when an answer may have changed."""
        if not id_:
            return NOBODY[0]
        answer = self._answers[id_]
        if answer.version != self._who.version:
            entity = self._ask(self._known.values[id_], answer.times)
            answer = self._answers[id_] = _Answer(entity, self._who.version, answer.times)
        return answer.entity


def _newest(programs: np.ndarray, pairs: np.ndarray, began: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each different owner the row of its newest connection, and for each row which of these owners it is.

    :param pairs: pid and cgroup.
    """
    order = np.lexsort((began, programs, pairs))
    other = (pairs[order[1:]] != pairs[order[:-1]]) | (programs[order[1:]] != programs[order[:-1]])
    last = np.append(other, True)
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(last) - last
    return order[last], inverse
