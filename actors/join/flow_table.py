"""The flow table: every connection that somebody reports, by its resolved tuple, and what is known of its ends."""

from collections import deque
from typing import Final

import numpy as np

from actors.nat.tuple_index import NOWHERE, TupleIndex
from model.arrays import Columns
from model.chains import HOP
from model.kinds.delta import DELTA, flags
from model.kinds.flow import OWNER, STANDING
from model.ledger import Stage

#: Connections at once, by default.
FLOWS: Final = 262_144
#: Windows for which a connection of which one end was seen waits, after that ended, for the other's report.
LINGER: Final = 5
#: By how much the clocks of two nodes, and the two ends' views of a handshake, may differ.
SKEW_NS: Final = 2_000_000_000

CLIENT_SIDE: Final = 0
SERVER_SIDE: Final = 1


class End:
    """One end of all flows, in columns by flow."""

    def __init__(self, flows: int) -> None:
        self.node = np.zeros(flows, np.uint32)  # 0: never reported
        self.closed = np.zeros(flows, np.bool_)
        self.sent = np.zeros(flows, np.uint64)  # payload, since it was opened or adopted
        self.received = np.zeros(flows, np.uint64)
        self.last = {name: np.zeros(flows, DELTA.types[name]) for name in (*OWNER, *STANDING)}

    def clear(self, flows: np.ndarray) -> None:
        """Nothing is known of this end of these flows."""
        self.node[flows] = 0
        self.closed[flows] = False
        self.sent[flows] = self.received[flows] = 0
        for column in self.last.values():
            column[flows] = np.zeros(1, column.dtype)[0]


class FlowTable:
    """At most ``flows`` connections; at the limit those that ended make room, then those longest silent.

    :param stage: in which evictions are noted.
    """

    def __init__(self, flows: int, stage: Stage) -> None:
        self._stage = stage
        self._index = TupleIndex(flows)
        self.ends = (End(flows), End(flows))
        self.used = np.zeros(flows, np.bool_)
        self.id = np.zeros(flows, np.uint64)  # a hash of the resolved tuple
        self.previous = np.zeros(flows, np.uint64)  # the id that a client had, until a row has told it
        self.transport = np.zeros(flows, np.uint8)
        self.type = np.zeros(flows, np.uint8)
        self.called = np.zeros(flows, HOP)  # as the client's socket has it, as far as known
        self.final = np.zeros(flows, HOP)
        self.rewrites = np.zeros(flows, np.uint8)
        self.between: dict[int, np.ndarray] = {}  # hops of chains of more than two, without first and last
        self.opened_at = np.zeros(flows, np.int64)
        self.latency = np.zeros(flows, np.uint64)
        self.closed_at = np.zeros(flows, np.uint64)
        self.opened = np.zeros(flows, np.bool_)  # reported as opened
        self.over = np.zeros(flows, np.bool_)  # reported as closed
        self.met = np.zeros(flows, np.int64)  # window in which the first end was seen
        self.since = np.zeros(flows, np.int64)  # when it was opened, or tried, or met if that was not seen
        self.near = np.zeros(
            flows, np.bool_
        )  # the address of an end that does not report belongs to a known node
        self._touched = np.zeros(flows, np.int64)  # window
        self._life = np.zeros(flows, np.uint32)  # counts the flows that had this place
        self._free = np.arange(flows - 1, -1, -1, dtype=np.int32)
        self._free_count = flows
        self._due: deque[tuple[int, np.ndarray, np.ndarray]] = deque()

    def __len__(self) -> int:
        return len(self._free) - self._free_count

    def pair(self, side: int, keys: np.ndarray, opened_at: np.ndarray, window: int) -> np.ndarray:
        """The flow of which each new socket is that end: one that waits for it, else a new one; shape (n,), int32.

        :param keys: ``KEY`` of the resolved tuples.
        :param opened_at: wall clock; 0 if not known. Of several connections of one tuple, the newest meet first.
        """
        order = np.argsort(-opened_at, kind="stable")
        flows = np.full(len(keys), NOWHERE, np.int32)
        flows[order] = self._waiting(side, keys.take(order), opened_at[order])
        lonely = order[flows[order] == NOWHERE][::-1]  # the newest is added last, and so found first
        made = self._take(len(lonely), window)
        self.id[made] = self._index.add(made, keys.take(lonely))
        self.opened_at[made] = opened_at[lonely]
        flows[lonely] = made
        return flows

    def _waiting(self, side: int, keys: np.ndarray, opened_at: np.ndarray) -> np.ndarray:
        """Flows whose end ``side`` nobody has reported, each given out once; the sockets come newest first."""
        candidates = self._index.newest(keys)
        given = np.full(len(keys), NOWHERE, np.int32)
        taken: np.ndarray = np.zeros(0, np.int32)
        rows = np.flatnonzero(candidates != NOWHERE)
        while len(rows):
            here = candidates[rows]
            fits = (self.ends[side].node[here] == 0) & self._same_time(here, opened_at[rows])
            fits &= ~np.isin(here, taken)
            fitting = rows[fits]
            _, first = np.unique(candidates[fitting], return_index=True)
            winners = fitting[first]
            given[winners] = candidates[winners]
            taken = np.concatenate((taken, candidates[winners]))
            rows = rows[given[rows] == NOWHERE]
            candidates[rows] = self._index.older(candidates[rows])
            rows = rows[candidates[rows] != NOWHERE]
        return given

    def _same_time(self, flows: np.ndarray, opened_at: np.ndarray) -> np.ndarray:
        """Whether the handshakes may be the same; one that was not seen may be any."""
        theirs = self.opened_at[flows]
        same: np.ndarray = (theirs == 0) | (opened_at == 0) | (np.abs(theirs - opened_at) <= SKEW_NS)
        return same

    def _take(self, count: int, window: int) -> np.ndarray:
        if self._free_count < count:
            self._make_room(count - self._free_count)
        places = self._free[self._free_count - count : self._free_count].copy()
        self._free_count -= count
        self.used[places] = True
        self.rewrites[places] = 0
        self._touched[places] = window
        self._life[places] += np.uint32(1)
        self.opened[places] = self.over[places] = self.near[places] = False
        self.closed_at[places] = self.latency[places] = self.previous[places] = 0
        for end in self.ends:
            end.clear(places)
        return places

    def _make_room(self, count: int) -> None:
        """Gives up flows that are over, then those that nobody reported for longest: an eighth at once."""
        count = min(len(self._free), max(count, len(self._free) // 8))
        flows = np.flatnonzero(self.used)
        rank = self._touched[flows] - (self.over[flows].astype(np.int64) << 40)
        oldest = flows[np.argpartition(rank, count - 1)[:count]] if count < len(flows) else flows
        self._stage.note("flows_evicted", len(oldest))
        self.give_up(oldest.astype(np.int32))

    def give_up(self, flows: np.ndarray) -> None:
        """Nothing is known of these flows any more, each named once."""
        self._index.remove(flows)
        self.used[flows] = False
        if self.between:
            for flow in flows.tolist():
                self.between.pop(flow, None)
        self._free[self._free_count : self._free_count + len(flows)] = flows
        self._free_count += len(flows)

    def touch(self, flows: np.ndarray, window: int) -> None:
        """Somebody reported these."""
        self._touched[flows] = window

    def retire(self, flows: np.ndarray, window: int) -> None:
        """These have ended as far as is known: they go when both ends have ended, else after ``LINGER`` windows."""
        whole = (self.ends[0].node[flows] != 0) & (self.ends[1].node[flows] != 0)
        for waits, due in ((whole, window), (~whole, window + LINGER)):
            going = flows[waits]
            if len(going):
                entry = (due, going, self._life[going].copy())
                self._due.append(entry) if due > window else self._due.appendleft(entry)

    def expire(self, window: int) -> None:
        """Gives up flows whose time has come."""
        while self._due and self._due[0][0] <= window:
            _, flows, life = self._due.popleft()
            going = flows[self.used[flows] & (self._life[flows] == life)]
            self.give_up(np.unique(going))

    def in_use(self, name: str) -> np.ndarray:
        """The numbers that any end says under ``name``, or, for ``node``, of their nodes."""
        flows = np.flatnonzero(self.used)
        held = [(end.node if name == "node" else end.last[name])[flows] for end in self.ends]
        return np.unique(np.concatenate(held))

    def forget_node(self, node: int) -> None:
        """This start of a node is over: its ends are as if they had never reported; who is left waits for others."""
        for end, other in (self.ends, self.ends[::-1]):
            flows = np.flatnonzero(self.used & (end.node == node)).astype(np.int32)
            end.clear(flows)
            self.give_up(flows[other.node[flows] == 0])

    def learn_chain(self, flows: np.ndarray, first: np.ndarray, rewrites: np.ndarray) -> None:
        """What the tuple of each flow was at first, and how often it was rewritten."""
        self.called.view("V36")[flows] = first.view("V36")
        self.rewrites[flows] = rewrites

    def take_report(self, side: int, flows: np.ndarray, columns: Columns) -> None:
        """Takes in what an end's rows say of it."""
        end = self.ends[side]
        for name, column in end.last.items():
            column[flows] = columns[name]
        end.closed[flows] |= flags(columns, "connection.closed", "connection.failed")
        end.sent[flows] = columns["tx_bytes_total"]
        end.received[flows] = columns["rx_bytes_total"]
