"""The table of UDP flows: what is known of each, and what it did since it was last reported.

For every flow the deltas add up to its final counters, whatever the order in which events come and whichever are
lost, because events carry all that was counted since the flow began. A flow that did nothing has no event: its end is
taken for lost when its slot has another flow, or after ``SILENT`` ticks; should it speak again, its sums go on.
"""

from typing import Final

import numpy as np

from actors.nat.entry_events import turns_of
from actors.node.cgroups import Cgroups
from actors.node.datagram_rows import COUNTERS, END, EVENT, Last, flow_rows
from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import CloseReason
from model.ledger import Stage
from probes.kernel.layout import rows_where, void_rows

#: After so many ticks without an event a flow's end is taken for lost: flows rest for less, as they are configured by
#: default.
SILENT: Final = 300
#: Ticks for which a flow's end may come after the first event of the next flow in its slot.
OVERDUE: Final = 2


class DatagramTable:
    """State of all UDP flows of one node, by slot. Pure: events in, rows out.

    :param first: the number that slot 0 has in rows: those before it are of TCP's sockets.
    :param slots: the size of the kernel side's table.
    :param stage: where events are accounted for.
    :param cgroups: the node's; the numbers in rows are its.
    """

    def __init__(self, first: int, slots: int, stage: Stage, cgroups: Cgroups) -> None:
        self._first = np.uint32(first)
        self._stage = stage
        self._cgroups = cgroups
        self._now, self._before = _Flows(slots), _Flows(slots)  # of each slot; whose end is still to come
        self._closed = np.zeros(slots, np.uint32)  # the flow that ended last
        self._ticks = 0
        self._rows: list[Columns] = []
        self._late: list[Columns] = []  # of ends, which have a second of their own

    @property
    def open_flows(self) -> int:
        """Flows that are open as far as is known."""
        return int(np.count_nonzero((self._now.generation != 0) & ~self._now.silent))

    @property
    def generations(self) -> np.ndarray:
        """Of the newest flow of each slot, as far as is known, 0: none; shape (slots,), uint32."""
        return self._now.generation

    def take(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes in what flows counted so far (``struct datagram_event``); their rows wait for the next tick.

        :param offset_ns: wall clock minus monotonic clock.
        """
        self._stage.received += len(events)
        ended = events["end"] != END["UDP_OPEN"]
        opened = rows_where(events, ~ended)
        for rows in turns_of(opened["header"]["slot"].astype(np.uint64) << np.uint64(32)):
            self._learn(np.ascontiguousarray(opened[rows]) if len(rows) < len(opened) else opened, offset_ns)
        if ended.any():
            self._end(rows_where(events, ended), offset_ns)

    def _learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Open flows, no two of one slot."""
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        over = self._closed[slots] - generations < 1 << 31
        self._stage.drop("ended_before", int(np.count_nonzero(over)))
        if over.any():
            events = rows_where(events, ~over)
            slots, generations = events["header"]["slot"], events["header"]["generation"]
        self._stage.delivered += len(events)
        if not len(events):
            return
        earlier = self._before.generation[slots] == generations
        self._set_aside(slots[~earlier & (self._now.generation[slots] != generations)])
        for flows, mine in ((self._before, earlier), (self._now, ~earlier)):
            if mine.any():
                part = rows_where(events, mine)
                self._rows.append(self._told(flows, part, offset_ns))
                flows.learn(part, self._ticks, self._rows[-1])

    def _set_aside(self, slots: np.ndarray) -> None:
        """These have another flow now: the end of the one before is still to come, or lost."""
        held = slots[self._now.generation[slots] != 0]
        self._give_up(held[self._before.generation[held] != 0])
        self._before.take_over(self._now, held, self._ticks)
        self._now.forget(slots)

    def _end(self, events: np.ndarray, offset_ns: int) -> None:
        """Flows that ended: final counters less what was reported."""
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        again = self._closed[slots] - generations < 1 << 31
        again &= self._before.generation[slots] != generations
        self._stage.drop("ended_twice", int(np.count_nonzero(again)))
        events = rows_where(events, ~again)
        self._stage.delivered += len(events)
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        earlier = self._before.generation[slots] == generations
        for flows, mine in ((self._before, earlier), (self._now, ~earlier)):
            if mine.any():
                part = rows_where(events, mine)
                self._late.append(self._told(flows, part, offset_ns))
                flows.forget(slots[mine & (flows.generation[slots] == generations)])
        self._close(slots, generations)
        older = self._closed[slots] - self._now.generation[slots] < 1 << 31
        self._set_aside(np.unique(slots[older]))

    def _close(self, slots: np.ndarray, generations: np.ndarray) -> None:
        """Remembers the newest flow of each slot that ended; those of a slot come in order, and wrap."""
        newer = generations - self._closed[slots] < 1 << 31
        self._closed[slots[newer]] = generations[newer]

    def _told(self, flows: "_Flows", events: np.ndarray, offset_ns: int) -> Columns:
        """Rows of flows, which are known (``flows``) or new."""
        slots = events["header"]["slot"]
        last = flows.last(slots, events["header"]["generation"])
        columns = flow_rows(events, last, offset_ns)
        columns["socket.slot"] = slots + self._first
        columns["cgroup.index"] = self._cgroups.ids(events["socket"]["owner"])
        return columns

    def tick(self, window: int, missed: int = 0, wanted: np.ndarray | tuple[()] = ()) -> list[Columns]:
        """The rows of a window, in parts.

        :param missed: seconds before it in which nobody looked.
        :param wanted: slots as rows have them, of sockets that have a row also if nothing else of them changed.
        """
        self._ticks += 1
        self._give_up_lost()
        ended = [self._dated(part, window) for part in self._late]
        told = [*self._rows, *self._asked(wanted, [*self._rows, *self._late])]
        for part in told if missed else ():
            part["window.missed_s"] = np.full(len(part["socket.slot"]), min(missed, 0xFFFF), np.uint16)
        self._rows, self._late = [], []
        return [*ended, *told]

    def _dated(self, part: Columns, window: int) -> Columns:
        """Rows of ended flows with the seconds by which each one's own lies before ``window``."""
        late = window - part["connection.closed_at_ns"].astype(np.int64) // SECOND_NS
        self._stage.note("late", int(np.count_nonzero(late > 0)))
        return part | {"window.late_s": np.clip(late, 0, 0xFFFF).astype(np.uint16)}

    def _asked(self, wanted: np.ndarray | tuple[()], told: list[Columns]) -> list[Columns]:
        """Rows of flows that moved nothing, but of which something else was learnt."""
        if not len(wanted):
            return []
        slots = np.unique(np.asarray(wanted, np.int64)) - int(self._first)
        slots = slots[(slots >= 0) & (slots < len(self._closed))]
        slots = slots[(self._now.generation[slots] != 0) & ~self._now.silent[slots]]
        here = [part["socket.slot"].astype(np.int64) - int(self._first) for part in told]
        slots = slots[~np.isin(slots, np.concatenate(here))] if here else slots
        return [self._again(self._now, slots)] if len(slots) else []

    def _again(self, flows: "_Flows", slots: np.ndarray) -> Columns:
        """Rows of these flows in which nothing moved."""
        columns = self._told(flows, flows.events(slots), 0)
        columns["connection.opened_at_ns"] = flows.opened_at_ns[slots]
        columns["connection.opened"][:] = 0
        return columns

    def _give_up_lost(self) -> None:
        """Takes for lost the ends of flows that are overdue, and of those that are silent for too long."""
        held, now = self._before, self._now
        self._give_up(np.flatnonzero((held.generation != 0) & (held.heard <= self._ticks - OVERDUE)))
        silent = (now.generation != 0) & ~now.silent & (now.heard < self._ticks - SILENT)
        if silent.any():
            self._report_unseen(now, np.flatnonzero(silent))
            now.silent[silent] = True

    def _give_up(self, slots: np.ndarray) -> None:
        """The ends of those that were set aside in these slots are lost."""
        if len(slots):
            flows = self._before
            self._report_unseen(flows, slots[~flows.silent[slots]])
            self._close(slots, flows.generation[slots])
            flows.forget(slots)

    def _report_unseen(self, flows: "_Flows", slots: np.ndarray) -> None:
        self._stage.note("end_unseen", len(slots))
        columns = self._again(flows, slots)
        untold = ~flows.told[slots] & (columns["connection.adopted"] == 0)
        columns["connection.opened"] = untold.astype(np.uint8)
        columns["connection.closed"][:] = 1
        columns["connection.close_reason"][:] = CloseReason.UNSEEN
        self._rows.append(columns)


class _Flows:
    """A flow for each slot, or none: arrays of shape (slots,)."""

    def __init__(self, slots: int) -> None:
        self.generation = np.zeros(slots, np.uint32)  # 0: none
        self.heard = np.zeros(slots, np.int64)  # the tick before its last event
        self.silent = np.zeros(slots, np.bool_)  # its end was taken for lost
        self.opened_at_ns = np.zeros(slots, np.uint64)  # as its rows tell it
        self.told = np.zeros(slots, np.bool_)  # whether one told that it was opened
        self._counters = np.zeros(slots, COUNTERS)  # as its rows told them
        self._events = np.zeros(slots, EVENT)  # the last

    def last(self, slots: np.ndarray, generations: np.ndarray) -> Last:
        """What was told of these flows; zeros of those that are not here."""
        counters: np.ndarray = void_rows(self._counters)[slots].view(COUNTERS)
        opened_at_ns, told = self.opened_at_ns[slots], self.told[slots]
        unknown = np.flatnonzero(self.generation[slots] != generations)
        if len(unknown):
            void_rows(counters)[unknown] = bytes(COUNTERS.itemsize)
            opened_at_ns[unknown], told[unknown] = 0, False
        return Last(counters, opened_at_ns, told)

    def events(self, slots: np.ndarray) -> np.ndarray:
        """The last events of these flows."""
        events: np.ndarray = void_rows(self._events)[slots].view(EVENT)
        return events

    def learn(self, events: np.ndarray, tick: int, told: Columns) -> None:
        """Keeps the last events of flows, no two of one slot, and what their rows told."""
        slots, generations = events["header"]["slot"], events["header"]["generation"]
        same = self.generation[slots] == generations
        void_rows(self._events)[slots] = void_rows(events)
        void_rows(self._counters)[slots] = void_rows(np.ascontiguousarray(events["counters"]))
        self.opened_at_ns[slots] = told["connection.opened_at_ns"]
        self.told[slots] = (told["connection.opened"] != 0) | (same & self.told[slots])
        self.generation[slots] = generations
        self.heard[slots] = tick
        self.silent[slots] = False

    def take_over(self, others: "_Flows", slots: np.ndarray, tick: int) -> None:
        """The flows of these slots are here from now on."""
        void_rows(self._events)[slots] = void_rows(others._events)[slots]
        void_rows(self._counters)[slots] = void_rows(others._counters)[slots]
        self.opened_at_ns[slots], self.told[slots] = others.opened_at_ns[slots], others.told[slots]
        self.generation[slots] = others.generation[slots]
        self.heard[slots] = tick
        self.silent[slots] = others.silent[slots]

    def forget(self, slots: np.ndarray) -> None:
        """There is no flow in these slots."""
        self.generation[slots] = 0
        self.silent[slots] = False
