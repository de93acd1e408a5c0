"""The socket table: what is known of each socket, and what it did since it was last reported.

For every socket the deltas add up to its final counters, whatever the order in which events and snapshots come,
because each row is the difference to what was reported before, and an end carries the final counters.
"""

import errno

import numpy as np

from actors.cgroups import Cgroups
from actors.rows import (
    CLOSE,
    SYN_SENT,
    close_reasons,
    concatenate,
    counter_deltas,
    describe,
    gauge,
)
from engine.clock import SECOND_NS
from engine.frames import EventFrame, SnapshotFrame
from engine.ledger import Stage
from engine.schema import COUNTERS, NO_SLOT, CloseReason, Columns, empty_columns
from probes.layout import enums, structs

_KIND = enums()["event_kind"]
_FLAGS = enums()["event_flag"]


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
        self._last = np.zeros(slots, structs()["tcp_counters"])  # as reported
        self._arrived = np.zeros(slots, structs()["description"])  # the newest
        self._described = np.zeros(slots, structs()["description"])  # as reported
        self._cgroup = np.zeros(slots, np.uint32)
        self._state = np.zeros(slots, np.uint8)  # as reported
        self._fresh = np.zeros(slots, np.bool_)  # description changed since it was reported
        self._opened = np.zeros(slots, np.bool_)  # reported as opened
        self._absent = np.zeros(slots, np.bool_)  # open as far as known, but not in the last snapshot
        self._ended: list[Columns] = []

    @property
    def open_sockets(self) -> int:
        """Sockets that are open as far as is known."""
        return int(np.count_nonzero(self._generation))

    def apply(self, frame: EventFrame, window: int) -> None:
        """Takes events in; rows of ended sockets wait for the tick of ``window``."""
        events = frame.events
        kinds = events["header"]["kind"]
        named = events[kinds == _KIND["KIND_CGROUP"]]
        self._cgroups.learn(np.ascontiguousarray(named).view(structs()["cgroup_event"]))
        ended = events[kinds != _KIND["KIND_CGROUP"]]
        again = self._ended_before(ended)
        ended = ended[~again]
        self._stage.received += len(events)
        self._stage.drop("ended_twice", int(np.count_nonzero(again)))
        self._stage.delivered += len(events) - int(np.count_nonzero(again))
        if len(ended):
            self._ended.append(self._end(ended, frame.offset_ns, window))

    def _ended_before(self, events: np.ndarray) -> np.ndarray:
        """Ends of sockets that were given up as unseen: what they report cannot be told from what was reported."""
        slots = events["header"]["slot"]
        slotted = slots != NO_SLOT
        age = self._closed[np.where(slotted, slots, 0)] - events["header"]["generation"]
        again: np.ndarray = slotted & (age < 1 << 31)
        return again

    def _end(self, events: np.ndarray, offset_ns: int, window: int) -> Columns:
        """Rows of sockets that ended: final counters less what was reported."""
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        slotted = slots != NO_SLOT
        index = np.where(slotted, slots, 0)
        known = slotted & (self._generation[index] == generations)
        last = np.zeros(len(events), structs()["tcp_counters"])
        last[known] = self._last[slots[known]]
        opened_before = known & self._opened[index]
        self._generation[slots[known]] = 0
        self._close(slots[slotted], generations[slotted])
        columns = self._end_columns(events, last, opened_before, offset_ns)
        late = window - columns["connection.closed_at_ns"].astype(np.int64) // SECOND_NS
        columns["window.late_s"] = np.maximum(late, 0).astype(np.uint16)
        self._note(events, int(np.count_nonzero(late > 0)))
        return columns

    def _close(self, slots: np.ndarray, generations: np.ndarray) -> None:
        """Remembers the newest socket of each slot that ended; generations of a slot come in order, and wrap."""
        newer = generations - self._closed[slots] < 1 << 31
        self._closed[slots[newer]] = generations[newer]

    def _end_columns(
        self, events: np.ndarray, last: np.ndarray, opened_before: np.ndarray, offset_ns: int
    ) -> Columns:
        columns = empty_columns(len(events))
        header, sockets = events["header"], events["socket"]
        describe(columns, sockets, offset_ns)
        columns |= counter_deltas(events["counters"], last)
        gauge(columns, events["counters"])
        columns["socket.slot"], columns["socket.generation"] = header["slot"], header["generation"]
        columns["connection.state"][:] = CLOSE
        failed = header["kind"] == _KIND["KIND_FAIL"]
        columns["connection.failed"] = failed.astype(np.uint8)
        columns["connection.closed"] = (~failed).astype(np.uint8)
        opened = ~failed & ~opened_before & (columns["connection.adopted"] == 0)
        columns["connection.opened"] = opened.astype(np.uint8)
        columns["connection.closed_at_ns"] = header["at_ns"] + np.uint64(offset_ns)
        columns["error.errno"] = header["error"]
        reasons = close_reasons(header["old_state"], header["error"])
        columns["connection.close_reason"] = np.where(failed, failure_reasons(header["error"]), reasons)
        waited = failed & (sockets["started_ns"] != 0)
        latency = columns["connection.connect_latency_ns"]
        columns["connection.connect_latency_ns"] = np.where(
            waited, header["at_ns"] - sockets["started_ns"], latency
        )
        columns["cgroup.index"] = self._cgroups.numbers(sockets["owner"])
        return columns

    def _note(self, events: np.ndarray, late: int) -> None:
        flags = events["socket"]["flags"]
        self._stage.note("late", late)
        self._stage.note("without_slot", int(np.count_nonzero(events["header"]["slot"] == NO_SLOT)))
        for flag, name in (("FLAG_UNTRACKED", "untracked"), ("FLAG_HEALED", "healed")):
            self._stage.note(name, int(np.count_nonzero(flags & _FLAGS[flag])))

    def tick(self, frame: SnapshotFrame) -> tuple[Columns, list[str]]:
        """The rows of the window that ends with ``frame``, and the cgroup paths that they point to."""
        unseen = self._unseen(frame.slots, frame.cells["generation"])
        self._learn(frame)
        slots, cells = frame.slots, frame.cells
        generations = cells["generation"]
        # Left for a later tick, whose difference has it all: its end came first; its description has not come yet;
        # the end of the slot's last socket has not come yet.
        usable = generations != self._closed[slots]
        usable &= self._arrived["generation"][slots] == generations
        usable &= (self._generation[slots] == generations) | (self._generation[slots] == 0)
        parts = [*self._ended, unseen, self._live(slots[usable], cells[usable], frame)]
        self._ended = []
        columns = concatenate([part for part in parts if len(part["socket.slot"])])
        columns["cgroup.index"], paths = self._cgroups.table(columns["cgroup.index"])
        self._stage.note("cgroup_table_full", self._cgroups.refused)
        self._cgroups.refused = 0
        return columns, paths

    def _learn(self, frame: SnapshotFrame) -> None:
        """Takes new descriptions in."""
        if self._cgroups.full:
            self._cgroups.release(self._cgroup[self._generation != 0])
        slots = frame.new_slots
        self._arrived[slots] = frame.descriptions
        self._fresh[slots] = True
        if len(slots):
            self._cgroup[slots] = self._cgroups.numbers(frame.descriptions["owner"])

    def _unseen(self, slots: np.ndarray, generations: np.ndarray) -> Columns:
        """Rows for sockets whose end was lost: they are missing from the second snapshot in a row."""
        present = np.zeros(len(self._generation), np.bool_)
        present[slots[self._generation[slots] == generations]] = True
        absent = (self._generation != 0) & ~present
        gone = np.flatnonzero(absent & self._absent).astype(np.uint32)
        self._absent = absent
        columns = self._columns(gone, self._last[gone], self._last[gone], 0)
        columns["connection.closed"] = np.ones(len(gone), np.uint8)
        columns["connection.close_reason"] = np.full(len(gone), CloseReason.UNSEEN, np.uint8)
        self._close(gone, self._generation[gone])
        self._generation[gone] = 0
        self._absent[gone] = False
        self._stage.note("end_unseen", len(gone))
        return columns

    def _live(self, slots: np.ndarray, cells: np.ndarray, frame: SnapshotFrame) -> Columns:
        """Rows for open sockets that moved something or changed."""
        new = self._generation[slots] != cells["generation"]
        self._last[slots[new]] = 0
        self._opened[slots[new]] = False
        counters, last = cells["counters"], self._last[slots]
        states = cells["state"].astype(np.uint8)
        changed = new | self._fresh[slots] | (states != self._state[slots])
        for name in COUNTERS:
            changed |= counters[name] != last[name]
        slots, cells, states, last = slots[changed], cells[changed], states[changed], last[changed]
        self._described[slots] = self._arrived[slots]
        columns = self._columns(slots, cells["counters"], last, frame.offset_ns)
        columns["connection.state"] = states
        adopted = columns["connection.adopted"] != 0
        opened = (states != SYN_SENT) & ~adopted & ~self._opened[slots]
        columns["connection.opened"] = opened.astype(np.uint8)
        self._remember(slots, cells, states)
        return columns

    def _remember(self, slots: np.ndarray, cells: np.ndarray, states: np.ndarray) -> None:
        reported = cells["counters"].copy()
        for name in ("tx_bytes", "rx_bytes", "retransmitted_bytes"):
            reported[name] = np.maximum(reported[name], self._last[name][slots])
        self._last[slots] = reported
        self._generation[slots] = cells["generation"]
        self._state[slots] = states
        self._fresh[slots] = False
        self._opened[slots] |= states != SYN_SENT

    def _columns(self, slots: np.ndarray, now: np.ndarray, last: np.ndarray, offset_ns: int) -> Columns:
        columns = empty_columns(len(slots))
        described = self._described[slots]
        describe(columns, described, offset_ns)
        columns |= counter_deltas(now, last)
        gauge(columns, now)
        columns["socket.slot"] = slots
        columns["socket.generation"] = described["generation"]
        columns["cgroup.index"] = self._cgroup[slots]
        return columns


def failure_reasons(errors: np.ndarray) -> np.ndarray:
    """What ended a connect: a reset (refused), a time-out, or the error in ``error.errno``."""
    reasons = np.full(len(errors), CloseReason.ERROR, np.uint8)
    reasons[np.isin(errors, (errno.ECONNREFUSED, errno.ECONNRESET))] = CloseReason.RST_RECEIVED
    reasons[errors == errno.ETIMEDOUT] = CloseReason.TIMED_OUT
    return reasons
