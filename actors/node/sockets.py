"""The socket table: what is known of each socket, and what it did since it was last reported.

For every socket the deltas add up to its final counters, whatever the order in which events and snapshots come,
because each row is the difference to what was reported before, and an end carries the final counters.
"""

import math
from collections.abc import Sequence

import numpy as np

from actors.node.cgroups import Cgroups
from actors.node.ended import ended_rows
from actors.node.rows import (
    DESCRIBED,
    SYN_SENT,
    TYPES,
    concatenate,
    describe,
    gauge,
    growth,
    spread,
)
from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import COUNTERS, DELTA, NO_SLOT, RESOLVED, CloseReason
from model.ledger import Stage
from probes.kernel.frames import SnapshotFrame
from probes.kernel.layout import enums, rows_where, structs, void_rows

#: Fields of a cell and of its counters, and as what they are kept.
_CELL = {"generation": "<u4", "state": "<u1"}
_COUNTERS = {
    name: kind
    for name, (kind, *_) in (structs("tcp")["tcp_counters"].fields or {}).items()
    if name != "reserved"
}

#: Columns of the table's rows that no description fills.
_UNDESCRIBED = [column for column in DELTA.columns if column.name not in (*DESCRIBED, *RESOLVED)]

_FLAGS = enums("tcp")["event_flag"]


class SocketTable:
    """State of all sockets of one node, by slot. Pure: frames in, rows out.

    :param slots: the size of the kernel side's table.
    :param stage: where events are accounted for.
    """

    def __init__(self, slots: int, stage: Stage, cgroups: Cgroups | None = None) -> None:
        self._stage = stage
        self._cgroups = cgroups or Cgroups()
        self._generation = np.zeros(slots, np.uint32)  # of the open socket that was reported last; 0 none
        self._closed = np.zeros(slots, np.uint32)  # of the socket that ended last
        counters = structs("tcp")["tcp_counters"]
        self._last = {name: np.zeros(slots, counters[name]) for name in COUNTERS}  # as reported
        self._arrived = np.zeros(slots, structs("tcp")["description"])  # the newest
        self._arrived_generation = np.zeros(slots, np.uint32)  # of which socket that is
        self._described = {name: np.zeros(slots, TYPES[name]) for name in DESCRIBED}  # as reported
        self._state = np.zeros(slots, np.uint8)  # as reported
        self._fresh = np.zeros(slots, np.bool_)  # description changed since it was reported
        self._opened = np.zeros(slots, np.bool_)  # reported as opened
        self._absent = np.zeros(slots, np.bool_)  # open as far as known, but not in the last snapshot
        self._ended: list[Columns] = []
        # Written anew by each tick; memory that is given back and taken again costs more than what is done in it.
        self._cells = {name: np.empty(slots, kind) for name, kind in (_CELL | _COUNTERS).items()}
        self._deltas = {name: np.empty(slots, np.uint64) for name in COUNTERS}
        self._undescribed = _defaults(slots)

    @property
    def open_sockets(self) -> int:
        """Sockets that are open as far as is known."""
        return int(np.count_nonzero(self._generation))

    @property
    def generations(self) -> np.ndarray:
        """Of the open socket of each slot, as far as is known, 0: none; shape (slots,), uint32."""
        return self._generation

    def learn_names(self, events: np.ndarray) -> None:
        """Takes names of cgroups in: ``struct cgroup_event``."""
        self._stage.received += len(events)
        self._cgroups.learn(events)
        self._stage.delivered += len(events)

    def take_ends(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes ends of sockets in (``struct socket_event``); their rows wait for the next tick."""
        again = self._ended_before(events)
        ended = rows_where(events, ~again)
        self._stage.received += len(events)
        self._stage.drop("ended_twice", len(events) - len(ended))
        self._stage.delivered += len(ended)
        if len(ended):
            self._ended.append(self._end(ended, offset_ns))

    def leave_aside(self, count: int) -> None:
        """Counts events of kinds that this version does not know."""
        self._stage.received += count
        self._stage.drop("unknown_kind", count)

    def _ended_before(self, events: np.ndarray) -> np.ndarray:
        """Ends of sockets that were given up as unseen: what they report cannot be told from what was reported."""
        slots = events["header"]["slot"]
        slotted = slots != NO_SLOT
        age = self._closed[np.where(slotted, slots, 0)] - events["header"]["generation"]
        again: np.ndarray = slotted & (age < 1 << 31)
        return again

    def _end(self, events: np.ndarray, offset_ns: int) -> Columns:
        """Rows of sockets that ended: final counters less what was reported."""
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        slotted = slots != NO_SLOT
        index = np.where(slotted, slots, 0)
        known = slotted & (self._generation[index] == generations)
        last: Columns = {}
        if known.any():
            last = {name: np.where(known, column[index], 0) for name, column in self._last.items()}
        opened_before = known & self._opened[index]
        self._generation[slots[known]] = 0
        self._close(slots[slotted], generations[slotted])
        columns = ended_rows(events, last, opened_before, self._cgroups, offset_ns)
        closed: np.ndarray = columns["connection.closed_at_ns"]
        lived = closed - columns["connection.opened_at_ns"].astype(np.uint64)
        self._keep_opening(columns, index)
        opened = columns["connection.opened_at_ns"].astype(np.uint64)
        columns["connection.closed_at_ns"] = np.where(closed < opened, opened + lived, closed)
        self._note(events)
        return columns

    def _late(self, columns: Columns, window: int) -> Columns:
        """Rows of ended sockets with the seconds by which each one's own lies before ``window``."""
        late = window - columns["connection.closed_at_ns"].astype(np.int64) // SECOND_NS
        self._stage.note("late", int(np.count_nonzero(late > 0)))
        late_s = np.clip(late, 0, 0xFFFF).astype(np.uint16)
        return columns | {"window.late_s": late_s, "window.missed_s": np.zeros(len(late), np.uint16)}

    def _close(self, slots: np.ndarray, generations: np.ndarray) -> None:
        """Remembers the newest socket of each slot that ended; generations of a slot come in order, and wrap."""
        newer = generations - self._closed[slots] < 1 << 31
        self._closed[slots[newer]] = generations[newer]

    def _keep_opening(self, columns: Columns, slots: np.ndarray) -> None:
        """One time of opening for all rows of a socket: that of the first one, whatever became of the clock since."""
        reported = self._described["connection.opened_at_ns"][slots]
        same = self._described["socket.generation"][slots] == columns["socket.generation"]
        kept = same & (columns["socket.slot"] != NO_SLOT) & (reported != 0)
        columns["connection.opened_at_ns"][kept] = reported[kept]

    def _note(self, events: np.ndarray) -> None:
        flags = events["socket"]["flags"]
        self._stage.note("without_slot", int(np.count_nonzero(events["header"]["slot"] == NO_SLOT)))
        for flag, name in (("FLAG_UNTRACKED", "untracked"), ("FLAG_HEALED", "healed")):
            self._stage.note(name, int(np.count_nonzero(flags & _FLAGS[flag])))

    def tick(
        self, frame: SnapshotFrame, wanted: np.ndarray | tuple[()] = (), others: Sequence[Columns] = ()
    ) -> tuple[Columns, list[str]]:
        """The rows of the window that ends with ``frame``, and the cgroup paths that they point to.

        :param wanted: slots of sockets that have a row also if nothing else of them changed.
        :param others: rows that are not of this table; their cgroups are.
        Columns may be views of the table, valid until its next call.
        """
        slots, cells = frame.slots, self._spread(frame.cells)
        unseen = self._unseen(slots, cells["generation"])
        self._learn(frame, others)
        generations = cells["generation"]
        # Left for a later tick, whose difference has it all: its end came first; its description has not come yet;
        # the end of the slot's last socket has not come yet.
        usable = generations != self._closed[slots]
        usable &= self._arrived_generation[slots] == generations
        usable &= (self._generation[slots] == generations) | (self._generation[slots] == 0)
        if not usable.all():
            slots, cells = _where(usable, slots, cells)
        ended = [self._late(part, frame.window) for part in self._ended]
        parts = [*ended, unseen, self._live(slots, cells, frame, wanted), *others]
        self._ended = []
        columns = concatenate([part for part in parts if len(part["socket.slot"])])
        columns["cgroup.index"], paths = self._cgroups.table(columns["cgroup.index"])
        self._stage.note("cgroup_table_full", self._cgroups.known.refused)
        self._cgroups.known.refused = 0
        return columns, paths

    def _learn(self, frame: SnapshotFrame, others: Sequence[Columns]) -> None:
        """Takes new descriptions in."""
        if self._cgroups.known.full:
            held = [self._described["cgroup.index"][self._generation != 0]]
            held += [part["cgroup.index"] for part in (*self._ended, *others)]
            self._cgroups.release(np.concatenate(held))
        slots = frame.new_slots
        void_rows(self._arrived)[slots] = void_rows(frame.descriptions)
        self._arrived_generation[slots] = frame.descriptions["generation"]
        self._fresh[slots] = True

    def _unseen(self, slots: np.ndarray, generations: np.ndarray) -> Columns:
        """Rows for sockets whose end was lost: they are missing from the second snapshot in a row."""
        present = np.zeros(len(self._generation), np.bool_)
        present[slots[self._generation[slots] == generations]] = True
        absent = (self._generation != 0) & ~present
        gone = np.flatnonzero(absent & self._absent).astype(np.uint32)
        self._absent = absent
        if not len(gone):
            return {"socket.slot": gone}
        columns = self._columns(gone, gone)
        columns["connection.closed"] = np.ones(len(gone), np.uint8)
        columns["connection.close_reason"] = np.full(len(gone), CloseReason.UNSEEN, np.uint8)
        self._close(gone, self._generation[gone])
        self._generation[gone] = 0
        self._absent[gone] = False
        self._stage.note("end_unseen", len(gone))
        return columns

    def _spread(self, cells: np.ndarray) -> Columns:
        """Fields of cells and of their counters as columns, valid until the next call."""
        n = len(cells)
        heads = spread(cells, {name: self._cells[name][:n] for name in _CELL})
        return heads | spread(cells["counters"], {name: self._cells[name][:n] for name in _COUNTERS})

    def _live(
        self, slots: np.ndarray, cells: Columns, frame: SnapshotFrame, wanted: np.ndarray | tuple[()]
    ) -> Columns:
        """Rows for open sockets that moved something or changed."""
        index = _span(slots)
        self._begin(slots[self._generation[index] != cells["generation"]])
        states = cells["state"]
        changed = self._fresh[index] | (states != self._state[index]) | (cells["zero_window"] != 0)
        if len(wanted):
            changed |= np.isin(slots, wanted)
        self._describe(slots[self._fresh[index]], frame.offset_ns)
        for name, last in self._last.items():
            into = self._deltas[name][: len(slots)]
            before = last[index]
            narrow = before.dtype != into.dtype
            grown = growth(cells[name], before, cells[name] if narrow else into)
            before += grown
            if before.base is not last:
                last[index] = before
            changed |= grown != 0
            if narrow:
                into[:] = grown
        self._generation[index] = cells["generation"]
        self._state[index] = states
        deltas: Columns = {name: delta[: len(slots)] for name, delta in self._deltas.items()}
        if not changed.all():
            slots, cells, deltas = *_where(changed, slots, cells), _where(changed, slots, deltas)[1]
        return self._live_columns(slots, cells, deltas, frame.missed)

    def _live_columns(self, slots: np.ndarray, cells: Columns, deltas: Columns, missed: int) -> Columns:
        index = _span(slots)
        columns = self._columns(slots, index) | deltas
        gauge(columns, cells)
        columns["connection.state"] = states = cells["state"]
        opened = (states != SYN_SENT) & (columns["connection.adopted"] == 0) & ~self._opened[index]
        columns["connection.opened"] = opened.astype(np.uint8)
        self._opened[index] |= states != SYN_SENT
        if missed:
            columns["window.missed_s"] = np.full(len(slots), min(missed, 0xFFFF), np.uint16)
        return columns

    def _begin(self, slots: np.ndarray) -> None:
        """The sockets in ``slots`` were never reported."""
        for last in self._last.values():
            last[slots] = 0
        self._opened[slots] = False
        self._fresh[slots] = True

    def _describe(self, slots: np.ndarray, offset_ns: int) -> None:
        """Puts descriptions that arrived into the columns from which rows are taken."""
        if len(slots) == 0:
            return
        arrived = void_rows(self._arrived)[slots].view(self._arrived.dtype)
        columns = {"socket.slot": slots, "socket.generation": arrived["generation"]}
        columns["cgroup.index"] = self._cgroups.ids(arrived["owner"])
        describe(columns, arrived, offset_ns)
        self._keep_opening(columns, slots)
        for name, column in self._described.items():
            column[slots] = columns[name]
        self._fresh[slots] = False

    def _columns(self, slots: np.ndarray, index: slice | np.ndarray) -> Columns:
        """Columns of described sockets, with defaults where nothing is known yet; views if ``index`` is a slice."""
        columns = {name: column[index] for name, column in self._described.items()}
        return columns | {name: column[: len(slots)] for name, column in self._undescribed.items()}


def _defaults(slots: int) -> Columns:
    """So many rows of each column that no description fills; nobody writes to them. Zeros share their memory."""
    widths = (column.dtype.itemsize for column in _UNDESCRIBED if not column.default)
    zeros = np.zeros(slots * math.lcm(*widths), np.uint8)
    columns = {
        column.name: column.filled(slots) if column.default else zeros.view(column.dtype)[:slots]
        for column in _UNDESCRIBED
    }
    for column in columns.values():
        column.flags.writeable = False
    return columns


def _where(mask: np.ndarray, slots: np.ndarray, columns: Columns) -> tuple[np.ndarray, Columns]:
    """The rows where ``mask`` is set."""
    return slots[mask], {name: column[mask] for name, column in columns.items()}


def _span(slots: np.ndarray) -> slice | np.ndarray:
    """An index for ``slots``, ascending: a slice if there are no gaps, which numpy takes without a copy."""
    if len(slots) and int(slots[-1]) - int(slots[0]) + 1 == len(slots):
        return slice(int(slots[0]), int(slots[-1]) + 1)
    return slots
