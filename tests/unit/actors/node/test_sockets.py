"""The socket table: deltas of a socket add up to its final counters, whatever happens on the way."""

from collections import Counter

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from actors.node.sockets import SocketTable
from model.arrays import Columns
from model.kinds.delta import COUNTERS, CloseReason
from model.ledger import Stage
from probes.kernel.frames import EventFrame
from tests.kernel_model import ModelKernel

SLOTS = 3


class Sums(RuleBasedStateMachine):
    """Sockets open, move bytes and close in any order; events wait, are lost, and cross snapshots."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = ModelKernel(SLOTS)
        self.stage = Stage("events")
        self.table = SocketTable(SLOTS, self.stage)
        self.sums: dict[tuple[int, int], Counter[str]] = {}
        self.opened: Counter[tuple[int, int]] = Counter()
        self.ended: Counter[tuple[int, int]] = Counter()
        self.reasons: dict[tuple[int, int], int] = {}

    @rule()
    def connect(self) -> None:
        self.kernel.connect()

    @rule(index=st.integers(0, 9), amount=st.sampled_from([0, 1, 1000, 2**31, 2**32 - 1]))
    def move(self, index: int, amount: int) -> None:
        self.kernel.move(index, amount)

    @rule(index=st.integers(0, 9), lose=st.booleans())
    def close(self, index: int, lose: bool) -> None:
        self.kernel.close(index, lose=lose)

    @rule(events=st.integers(0, 5))
    def drain(self, events: int) -> None:
        self.apply(self.kernel.drain(events))

    @rule(withheld=st.integers(-1, SLOTS - 1), events=st.integers(0, 5))
    def tick(self, withheld: int, events: int) -> None:
        shot = self.kernel.snapshot(withheld)
        self.apply(self.kernel.drain_for_tick(events))
        self.take(self.table.tick(shot)[0])

    @rule(index=st.integers(0, 9), events=st.integers(0, 5))
    def tick_crossed_by_a_close(self, index: int, events: int) -> None:
        shot = self.kernel.snapshot()
        self.kernel.close(index)
        self.kernel.connect()
        self.apply(self.kernel.drain_for_tick(events))
        self.take(self.table.tick(shot)[0])

    def apply(self, frame: EventFrame) -> None:
        self.table.take_ends(frame.events, frame.offset_ns)

    def take(self, columns: Columns) -> None:
        for row in range(len(columns["socket.slot"])):
            key = int(columns["socket.slot"][row]), int(columns["socket.generation"][row])
            sums = self.sums.setdefault(key, Counter())
            for name in COUNTERS:
                sums[name] += int(columns[name][row])
            self.opened[key] += int(columns["connection.opened"][row])
            self.ended[key] += int(columns["connection.closed"][row])
            if columns["connection.closed"][row]:
                self.reasons[key] = int(columns["connection.close_reason"][row])

    def teardown(self) -> None:
        while self.kernel.open:
            self.kernel.close(0)
        self.apply(self.kernel.drain(1000))
        for _ in range(3):
            self.take(self.table.tick(self.kernel.snapshot())[0])
        assert self.table.open_sockets == 0
        for key, final in self.kernel.closed.items():
            if key in self.kernel.lost:
                self.check_lost(key)
            else:
                self.check_whole(key, final)
        assert set(self.sums) <= set(self.kernel.closed), "a socket was reported that never was"
        assert self.stage.balanced

    def check_whole(self, key: tuple[int, int], final: np.ndarray) -> None:
        for name in COUNTERS:
            bits = 8 * final[name].dtype.itemsize
            assert self.sums[key][name] % (1 << bits) == int(final[name]), (key, name)
        assert (self.opened[key], self.ended[key]) == (1, 1), key

    def check_lost(self, key: tuple[int, int]) -> None:
        """What was reported before the loss stands; the end is reported as unseen, once, or never known."""
        if key in self.sums:
            assert (self.opened[key], self.ended[key]) == (1, 1), key
            assert self.reasons[key] == CloseReason.UNSEEN


TestSums = Sums.TestCase
TestSums.settings = settings(max_examples=300, stateful_step_count=40)
