"""The table of UDP flows: deltas of a flow add up to its final counters, whatever happens on the way."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from actors.node.cgroups import Cgroups
from actors.node.datagrams import OVERDUE, SILENT, DatagramTable
from actors.node.rows import concatenate
from model.arrays import Columns
from model.kinds.delta import CloseReason, NetworkProtocol, Role, State
from model.ledger import Stage
from tests.udp_events import SECOND, event, events

SLOTS = 3
#: The number of the first slot of UDP in rows.
FIRST = 1000
SUMS = {
    "tx_bytes": "tx_bytes",
    "rx_bytes": "rx_bytes",
    "tx_segments": "tx_datagrams",
    "rx_segments": "rx_datagrams",
    "drops": "dropped_datagrams",
}


def table(slots: int = SLOTS) -> DatagramTable:
    """An empty one."""
    return DatagramTable(FIRST, slots, Stage("events"), Cgroups())


def rows(flows: DatagramTable, window: int = 0, **more: Any) -> list[dict[str, Any]]:
    """The rows of the next window, one dict each."""
    if not (parts := [part for part in flows.tick(window, **more) if len(part["socket.slot"])]):
        return []
    columns = concatenate(parts)
    count = len(columns["socket.slot"])
    return [{name: column[row].item() for name, column in columns.items()} for row in range(count)]


@dataclass
class Flow:
    """A flow with its true counters."""

    slot: int
    generation: int
    counters: Counter[str] = field(default_factory=Counter)
    changed: bool = True

    def event(self, end: str = "UDP_OPEN") -> np.ndarray:
        counters: dict[str, Any] = dict(self.counters)
        return event(self.slot, self.generation, end=end, **counters)


class Sums(RuleBasedStateMachine):
    """Flows begin, move bytes and end in any order; ends wait, are lost, and cross what is told each second."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage("events")
        self.table = DatagramTable(FIRST, SLOTS, self.stage, Cgroups())
        self.free = list(range(SLOTS))
        self.generations = [0] * SLOTS
        self.open: list[Flow] = []
        self.ended: dict[tuple[int, int], Flow] = {}
        self.lost: set[tuple[int, int]] = set()
        self.ring: list[np.ndarray] = []
        self.waited = 0  # of these, left by the last tick
        self.sums: dict[tuple[int, int], Counter[str]] = {}

    @rule()
    def begin(self) -> None:
        if self.free:
            slot = self.free.pop()
            self.generations[slot] += 1
            self.open.append(Flow(slot, self.generations[slot]))

    @rule(index=st.integers(0, 9), amount=st.sampled_from([0, 1, 1000, 2**40]))
    def move(self, index: int, amount: int) -> None:
        if self.open:
            flow = self.open[index % len(self.open)]
            flow.changed = True
            for place, name in enumerate(SUMS.values()):
                flow.counters[name] += amount + place

    @rule(index=st.integers(0, 9), lose=st.booleans())
    def end(self, index: int, lose: bool) -> None:
        if not self.open:
            return
        flow = self.open.pop(index % len(self.open))
        self.ended[flow.slot, flow.generation] = flow
        self.free.append(flow.slot)
        if lose:
            self.lost.add((flow.slot, flow.generation))
        else:
            self.ring.append(flow.event("UDP_CLOSED"))

    @rule(left=st.integers(0, 2))
    def tick(self, left: int) -> None:
        """What changed goes ahead of the ring, of whose new events some are left for the next tick."""
        changed = [flow for flow in self.open if flow.changed]
        for flow in changed:
            flow.changed = False
        first_left = max(self.waited, len(self.ring) - left)
        taken, self.ring = self.ring[:first_left], self.ring[first_left:]
        self.waited = len(self.ring)
        self.take([flow.event() for flow in changed])
        self.take(taken)
        self.read()

    def take(self, made: list[np.ndarray]) -> None:
        if made:
            self.table.take(events(*made), 0)

    def read(self) -> None:
        for row in rows(self.table):
            sums = self.sums.setdefault((row["socket.slot"] - FIRST, row["socket.generation"]), Counter())
            sums.update({name: row[name] for name in SUMS})
            sums.update({name: row[f"connection.{name}"] for name in ("opened", "closed")})
            sums["unseen"] += row["connection.close_reason"] == CloseReason.UNSEEN

    def teardown(self) -> None:
        while self.open:
            self.end(0, lose=False)
        self.take(self.ring)
        for _ in range(SILENT + OVERDUE + 2):
            self.read()
        assert self.table.open_flows == 0
        assert set(self.sums) <= set(self.ended), "a flow was reported that never was"
        for key, flow in self.ended.items():
            self.check(key, flow)
        assert self.stage.balanced

    def check(self, key: tuple[int, int], flow: Flow) -> None:
        found = self.sums.get(key, Counter())
        if key in self.lost:
            assert (found["opened"], found["closed"]) in ((0, 0), (1, 1)), key
            return
        if found["unseen"]:  # taken for lost before it came
            return
        assert {name: found[name] for name in SUMS} == {name: flow.counters[of] for name, of in SUMS.items()}
        assert (found["opened"], found["closed"]) == (1, 1), key


TestSums = Sums.TestCase
TestSums.settings = settings(max_examples=60, stateful_step_count=40)


def test_a_flow_of_one_exchange_is_one_row() -> None:
    """Opened and ended at once, with the time to the reply; the row's second is that of its end."""
    flows = table()
    done = event(
        *(1, 7),
        end="UDP_IDLE",
        started_s=10,
        at_s=13.5,
        tx_bytes=30,
        tx_datagrams=1,
        rx_bytes=90,
        rx_datagrams=1,
        first_reply_ns=10 * SECOND + 2_000_000,
        application=2,
    )
    flows.take(events(done), 100 * SECOND)
    (row,) = rows(flows, 115)
    assert (row["socket.slot"], row["socket.generation"], row["network.transport"]) == (FIRST + 1, 7, 17)
    assert (row["tx_segments"], row["rx_segments"], row["tx_bytes"], row["rx_bytes"]) == (1, 1, 30, 90)
    assert (row["tx_datagrams_total"], row["rx_bytes_total"]) == (1, 90)
    assert (row["connection.opened_at_ns"], row["connection.connect_latency_ns"]) == (110 * SECOND, 2_000_000)
    assert (row["connection.closed_at_ns"], row["window.late_s"]) == (int(113.5 * SECOND), 2)
    assert (row["connection.opened"], row["connection.closed"], row["connection.failed"]) == (1, 1, 0)
    assert (row["connection.close_reason"], row["connection.state"]) == (CloseReason.IDLE, State.CLOSE)
    assert (row["network.protocol.name"], row["netns.id"], row["network.type"]) == (
        NetworkProtocol.DNS,
        77,
        4,
    )


def test_a_slot_that_thousands_of_flows_had_in_a_second_gives_each_its_row() -> None:
    """A socket of one datagram gives its slot back at once, and the next takes it."""
    flows = table(1)
    made = [event(0, number, end="UDP_CLOSED", tx_datagrams=1, tx_bytes=number) for number in range(1, 3001)]
    flows.take(events(*made), 0)
    told = rows(flows)
    assert sorted(row["tx_bytes"] for row in told) == list(range(1, 3001))
    assert sum(row["connection.closed"] for row in told) == 3000


def test_a_refused_flow_fails_and_was_never_opened() -> None:
    """The network's answer is its error; what a client that is not answered opened is told after its patience."""
    flows = table()
    refused: dict[str, Any] = {"tx_datagrams": 1, "tx_bytes": 5, "errors": 1, "error": 111}
    flows.take(events(event(0, 1, at_s=0.5, **refused), event(1, 1, at_s=0.5, tx_datagrams=1)), 0)
    first, second = rows(flows)
    assert (first["connection.opened"], first["error.errno"], first["connection.state"]) == (0, 111, 1)
    assert second["connection.opened"] == 0
    flows.take(
        events(event(0, 1, end="UDP_CLOSED", at_s=2, **refused), event(1, 1, at_s=5.5, tx_datagrams=2)), 0
    )
    told = {row["socket.slot"] - FIRST: row for row in rows(flows)}
    assert told[0]["connection.failed"] == 1
    assert (told[0]["connection.closed"], told[0]["connection.opened"]) == (0, 0)
    assert (told[0]["connection.close_reason"], told[0]["error.errno"]) == (CloseReason.ERROR, 111)
    assert (told[1]["connection.opened"], told[1]["tx_segments"]) == (1, 1)


def test_a_server_opens_with_the_first_datagram_and_an_adopted_flow_never() -> None:
    """As with TCP, openings are those that were seen."""
    flows = table()
    flows.take(events(event(0, 1, role=Role.SERVER, rx_datagrams=1), event(1, 1, flags=1, rx_datagrams=4)), 0)
    server, adopted = rows(flows)
    assert (server["connection.opened"], server["connection.role"]) == (1, Role.SERVER)
    assert (adopted["connection.opened"], adopted["connection.adopted"]) == (0, 1)
    assert adopted["connection.opened_at_ns"] == 0


def test_the_time_of_opening_stays_when_the_clock_is_corrected() -> None:
    """All rows of a flow have the same, as those of a TCP socket."""
    flows = table()
    flows.take(events(event(started_s=1, tx_datagrams=1)), 50)
    flows.take(events(event(started_s=1, tx_datagrams=2, end="UDP_IDLE")), 90)
    assert [row["connection.opened_at_ns"] for row in rows(flows)] == [SECOND + 50] * 2


def test_a_flow_that_was_given_up_goes_on_exactly() -> None:
    """It rests for longer than the table waits: told as unseen, then what is new since."""
    flows = table()
    flows.take(events(event(tx_datagrams=5, rx_datagrams=1, tx_bytes=500)), 0)
    assert [row["tx_bytes"] for row in rows(flows)] == [500]
    told = [row for _ in range(SILENT + 2) for row in rows(flows)]
    assert [row["connection.close_reason"] for row in told] == [CloseReason.UNSEEN]
    assert flows.open_flows == 0
    flows.take(events(event(tx_datagrams=6, rx_datagrams=1, tx_bytes=600)), 0)
    assert [row["tx_bytes"] for row in rows(flows)] == [100]


def test_a_wanted_flow_has_a_row_though_nothing_moved() -> None:
    """What else was learnt of it goes where its row goes; others have none, and none has two."""
    flows = table()
    flows.take(events(event(0, 1, tx_datagrams=1, started_s=3), event(1, 1)), 0)
    wanted = np.array([FIRST, 3, FIRST + 2], np.uint32)
    assert len(rows(flows, wanted=wanted)) == 2
    (row,) = rows(flows, wanted=wanted)
    assert (row["socket.slot"], row["tx_segments"], row["tx_datagrams_total"]) == (FIRST, 0, 1)
    assert (row["connection.opened"], row["connection.opened_at_ns"]) == (0, 3 * SECOND)


def test_columns_fit_beside_those_of_tcp() -> None:
    """What a row of UDP lacks has the default of its column."""
    flows = table()
    flows.take(events(event(folded=2, peer=("::", 0), cast=1)), 0)
    columns: Columns = concatenate(flows.tick(0))
    assert columns["network.folded"].tolist() == [2]
    assert columns["network.cast"].tolist() == [1]
    assert columns["network.type"].tolist() == [4]
    assert columns["rtt_ns"].tolist() == [0]
