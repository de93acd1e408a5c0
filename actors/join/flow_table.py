"""The flow table: every connection that somebody reports, by its resolved tuple, and what is known of its ends."""

from collections import deque
from typing import Final

import numpy as np

from actors.nat.tuple_index import NOWHERE, TupleIndex
from model.arrays import Columns, is_nothing
from model.chains import HOP
from model.clock import SLEW_NS
from model.kinds.delta import DELTA, flags
from model.kinds.flow import OWNER, STANDING
from model.ledger import Stage
from model.transport import Transport

#: Connections at once, by default.
FLOWS: Final = 262_144
#: Windows for which a connection of which one end was seen waits, after that ended, for the other's report.
LINGER: Final = 5
#: By how much the clocks of two nodes, and the two ends' views of a handshake, may differ.
SKEW_NS: Final = 2_000_000_000
#: By how much the times of two sockets of one node may: the server's is later, but the wall clock is followed from
#: second to second.
SLACK_NS: Final = SLEW_NS + 100_000
#: For how far apart two ends are taken of which one's time is not known: others go before.
UNKNOWN_NS: Final = 1 << 62

#: What else an end's rows say that stays, and that flows have once for both ends.
KNOWN: Final = ("tls.index", "peer.name.index", "peer.name.evidence", "peer.name.ambiguous")
#: Columns of both kinds that say what sort of flow one of UDP is.
SORT: Final = ("network.cast", "network.folded", "network.protocol.name")

CLIENT_SIDE: Final = 0
SERVER_SIDE: Final = 1


#: Totals of an end, and the columns that tell them.
_TOTALS: Final = {
    "sent": "tx_bytes_total",
    "received": "rx_bytes_total",
    "sent_datagrams": "tx_datagrams_total",
    "received_datagrams": "rx_datagrams_total",
}


class End:
    """One end of all flows, in columns by flow."""

    def __init__(self, flows: int, node: np.ndarray, slot: np.ndarray, generation: np.ndarray) -> None:
        self.node = node  # 0: never reported
        self.closed = np.zeros(flows, np.bool_)
        self.sent = np.zeros(flows, np.uint64)  # payload, since it was opened or adopted
        self.received = np.zeros(flows, np.uint64)
        self.sent_datagrams = np.zeros(flows, np.uint64)  # of UDP
        self.received_datagrams = np.zeros(flows, np.uint64)
        self._before: dict[str, np.ndarray] = {}  # of these, what its earlier sockets had; by attribute
        self.last = {name: np.zeros(flows, DELTA.types[name]) for name in (*OWNER, *STANDING, *KNOWN)}
        self.last |= {"socket.slot": slot, "socket.generation": generation}
        self._filled: set[str] = set()  # columns of ``last`` in which anything was ever written

    def clear(self, flows: np.ndarray) -> None:
        """Nothing is known of this end of these flows."""
        self.node[flows] = 0
        self.closed[flows] = False
        for name in _TOTALS:
            getattr(self, name)[flows] = 0
        for earlier in self._before.values():
            earlier[flows] = 0
        for name in self._filled:
            self.last[name][flows] = np.zeros(1, self.last[name].dtype)[0]

    def learn(self, flows: np.ndarray, columns: Columns) -> None:
        """Takes in what rows of this end say of it."""
        for name, column in self.last.items():
            if name in self._filled or not is_nothing(columns[name]):
                column[flows] = columns[name]
                self._filled.add(name)
        ended = np.flatnonzero(flags(columns, "connection.closed", "connection.failed"))
        self.closed[flows[ended]] = True
        for name, told in _TOTALS.items():
            totals = getattr(self, name)
            totals[flows] = columns[told]
            if name in self._before:
                totals[flows] += self._before[name][flows]

    def follow(self, flows: np.ndarray) -> None:
        """Another socket is this end from now on, and its totals go on."""
        for name in _TOTALS:
            totals = getattr(self, name)
            self._before.setdefault(name, np.zeros(len(totals), np.uint64))[flows] = totals[flows]
        self.closed[flows] = False

    def set(self, name: str, flows: np.ndarray, values: np.ndarray) -> None:
        """What else is known of it."""
        self.last[name][flows] = values
        self._filled.add(name)


class FlowTable:
    """At most ``flows`` connections; at the limit those that ended make room, then those longest silent.

    :param stage: in which evictions are noted.
    """

    def __init__(self, flows: int, stage: Stage) -> None:
        self._stage = stage
        self._index = TupleIndex(flows)
        self._sockets = np.zeros((3, 2, flows), np.uint32)  # node, slot and generation of both ends
        self.ends = (End(flows, *self._sockets[:, 0]), End(flows, *self._sockets[:, 1]))
        self.used = np.zeros(flows, np.bool_)
        self.id = np.zeros(flows, np.uint64)  # a hash of the resolved tuple
        self.previous = np.zeros(flows, np.uint64)  # the id that a client had, until a row has told it
        self.transport = np.zeros(flows, np.uint8)
        self.type = np.zeros(flows, np.uint8)
        self.sort = {name: np.zeros(flows, np.uint8) for name in SORT}  # of UDP
        self.called = np.zeros(flows, HOP)  # as the client's socket has it, as far as known
        self.final = np.zeros(flows, HOP)
        self.rewrites = np.zeros(flows, np.uint8)
        self.between: dict[int, np.ndarray] = {}  # hops of chains of more than two, without first and last
        self.opened_at = np.zeros(flows, np.int64)
        self.latency = np.zeros(flows, np.uint64)
        self.closed_at = np.zeros(flows, np.uint64)
        self.opened = np.zeros(flows, np.bool_)  # reported as opened
        self.over = np.zeros(flows, np.bool_)  # reported as closed
        self.counts = np.zeros(
            flows, np.uint8
        )  # 1 + the side whose count of requests counts; 0: none had any
        self.dropped = np.zeros(flows, np.uint64)  # packets, since the last row
        self.drop = np.zeros(flows, np.uint32)  # why, at last: an id of the joiner's
        self.met = np.zeros(flows, np.int64)  # window in which the first end was seen
        self.since = np.zeros(flows, np.int64)  # when it was opened, or tried, or met if that was not seen
        self.near = np.zeros(
            flows, np.bool_
        )  # the address of an end that does not report belongs to a known node
        self._nearest = np.zeros(flows, np.int32)  # during ``_give``
        self._touched = np.zeros(flows, np.int64)  # window
        self._life = np.zeros(flows, np.uint32)  # counts the flows that had this place
        self._free = np.arange(flows - 1, -1, -1, dtype=np.int32)
        self._free_count = flows
        self._due: deque[tuple[int, np.ndarray, np.ndarray]] = deque()

    def __len__(self) -> int:
        return len(self._free) - self._free_count

    def pair(
        self,
        side: int,
        keys: np.ndarray,
        opened_at: np.ndarray,
        nodes: np.ndarray,
        window: int,
        alone: np.ndarray | None = None,
    ) -> np.ndarray:
        """The flow of which each new socket is that end: one that waits for it, else a new one; shape (n,), int32.

        :param keys: ``KEY`` of the resolved tuples.
        :param opened_at: wall clock; 0 if not known.
        :param nodes: where the sockets are.
        :param alone: which have no other end; bool. Nobody by default.
        """
        flows = self._waiting(side, keys, opened_at, nodes)
        single = np.zeros(len(keys), np.bool_) if alone is None else alone
        flows[single] = NOWHERE
        self._succeed(side, keys, flows, single)
        lonely = np.flatnonzero(flows == NOWHERE)
        lonely = lonely[
            np.argsort(opened_at[lonely], kind="stable")
        ]  # the newest is added last, and found first
        made = self._take(len(lonely), window)
        self.id[made] = self._index.add(made, keys.take(lonely))
        self.opened_at[made] = opened_at[lonely]
        flows[lonely] = made
        return flows

    def newest(self, keys: np.ndarray) -> np.ndarray:
        """The flow of each tuple that began last, or NOWHERE; shape (n,), int32."""
        return self._index.newest(keys)

    def _waiting(self, side: int, keys: np.ndarray, opened_at: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """Flows whose end ``side`` nobody has reported, each given to the socket that is nearest to it in time."""
        sockets, flows = self._unmet(side, keys)
        given = np.full(len(keys), NOWHERE, np.int32)
        if not len(sockets):
            return given
        opened, theirs = opened_at[sockets], self.opened_at[flows]
        after = theirs - opened if side == CLIENT_SIDE else opened - theirs
        other = self.ends[1 - side]
        known = (theirs != 0) & (opened != 0)
        lead = np.where(other.node[flows] == nodes[sockets], SLACK_NS, SKEW_NS)
        # a client's end that is open has its tuple for itself, however long the server's handshake takes
        lag = (after <= SKEW_NS) | (~other.closed[flows] if side == SERVER_SIDE else False)
        fits = np.flatnonzero(~known | ((after >= -lead) & lag))
        apart = np.where(known, np.abs(after), UNKNOWN_NS)[fits]
        order = fits[np.argsort(apart, kind="stable")]
        self._give(given, sockets[order], flows[order])
        return given

    def _succeed(self, side: int, keys: np.ndarray, flows: np.ndarray, single: np.ndarray) -> None:
        """Gives sockets of UDP that found no flow that of the socket before them on their tuple, if it has ended and
        the other end goes on. Nobody asks for two of one tuple at once."""
        here = np.flatnonzero((flows == NOWHERE) & (keys["transport"] == Transport.UDP) & ~single)
        found = self._index.newest(keys.take(here))
        end, other = self.ends[side], self.ends[1 - side]
        while len(left := np.flatnonzero(found != NOWHERE)):
            here, found = here[left], found[left]
            fits = end.closed[found] & (other.node[found] != 0) & ~other.closed[found]
            flows[here[fits]] = found[fits]
            end.follow(found[fits])
            here, found = here[~fits], self._index.older(found[~fits])

    def waits(self, side: int, keys: np.ndarray) -> np.ndarray:
        """For which tuples a flow waits for that end; shape (n,), bool."""
        waiting = np.zeros(len(keys), np.bool_)
        waiting[self._unmet(side, keys)[0]] = True
        return waiting

    def _unmet(self, side: int, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sockets, by place in ``keys``, each with every flow of its tuple whose end ``side`` nobody has reported."""
        flows = self._index.newest(keys)
        sockets = np.flatnonzero(flows != NOWHERE)
        flows = flows[sockets]
        found = []
        while len(sockets):
            waits = self.ends[side].node[flows] == 0
            found.append((sockets[waits], flows[waits]))
            flows = self._index.older(flows)
            left = flows != NOWHERE
            sockets, flows = sockets[left], flows[left]
        if not found:
            return sockets, flows
        sockets, flows = (np.concatenate(part) for part in zip(*found, strict=True))
        return sockets, flows

    def _give(self, given: np.ndarray, sockets: np.ndarray, flows: np.ndarray) -> None:
        """Pairs, the nearest first: a socket gets the flow for which no other is nearer, and has no nearer one."""
        while len(sockets):
            place = np.arange(len(sockets), dtype=np.int32)
            nearest = np.empty(len(given), np.int32)
            nearest[sockets[::-1]] = self._nearest[flows[::-1]] = place[::-1]
            won = (nearest[sockets] == place) & (self._nearest[flows] == place)
            given[sockets[won]] = flows[won]
            self._nearest[flows[won]] = NOWHERE
            left = (given[sockets] == NOWHERE) & (self._nearest[flows] != NOWHERE)
            sockets, flows = sockets[left], flows[left]

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
        self.closed_at[places] = self.latency[places] = self.previous[places] = self.counts[places] = 0
        self.dropped[places] = self.drop[places] = 0
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

    def still(self, ends: np.ndarray, node: np.ndarray, columns: Columns) -> np.ndarray:
        """Which of these ends (flow × 2 + side) still are those of the sockets of these rows; shape (n,), bool."""
        flows = ends // 2
        places = ends % 2 * len(self.used) + flows
        same: np.ndarray = self.used[flows] & (self.transport[flows] == columns["network.transport"])
        known = (node, columns["socket.slot"], columns["socket.generation"])
        for held, values in zip(self._sockets, known, strict=True):
            same &= held.reshape(-1)[places] == values
        return same

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
