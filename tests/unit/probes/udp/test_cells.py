"""Which flows are told of each second: cells in memory that is shared, as the kernel shares it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from probes.kernel.loader import Loaded
from probes.kernel.namespaces import ChosenNamespaces
from probes.udp.cells import CELL, UdpFlows
from probes.udp.config import UdpConfig
from probes.udp.feed import UdpFeed

SLOTS: Final = 256
TALLIES: Final = {"opened": 7, "no_slot": 0, "folded": 2}


class Kernel:
    """Writes cells, in place of datagrams."""

    def __init__(self, flows: UdpFlows, cells: np.ndarray) -> None:
        self.flows, self.cells = flows, cells

    def open(self, slot: int, generation: int = 1, **counters: int) -> None:
        """A flow begins."""
        cell = self.cells[slot]
        cell["generation"], cell["open"] = generation, 1
        cell["version"] += 2
        self.count(slot, **counters)

    def count(self, slot: int, **counters: int) -> None:
        """It has counted so much by now."""
        for name, value in counters.items():
            self.cells[slot]["event"]["counters"][name] = value

    def told(self) -> list[tuple[int, int, int]]:
        """Slot, generation and datagrams that were sent, of each flow that is told of."""
        headers = (events := self.flows.read())["header"]
        sent = events["counters"]["tx_datagrams"]
        return list(
            zip(*(column.tolist() for column in (headers["slot"], headers["generation"], sent)), strict=True)
        )


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """Maps of the probe that are files in memory."""
    monkeypatch.setattr("probes.udp.cells.push_all", lambda fd, values: None)
    shared = os.memfd_create("udp_cells")
    os.ftruncate(shared, SLOTS * CELL.itemsize + 4096)
    flows = UdpFlows(Loaded({"udp_cells": shared, "udp_free": -1}, {}, {}), UdpConfig(slots=SLOTS))
    cells = np.memmap(f"/proc/self/fd/{shared}", CELL, "r+", shape=(SLOTS,))
    yield Kernel(flows, cells)
    flows.close()
    os.close(shared)


def test_a_flow_is_told_when_it_has_counted_something(kernel: Kernel) -> None:
    """Once when it is new, and again when a counter has grown."""
    kernel.open(0, tx_datagrams=1)
    kernel.open(3, tx_datagrams=5)
    assert kernel.told() == [(0, 1, 1), (3, 1, 5)]
    assert kernel.told() == []
    for name in ("tx_datagrams", "rx_datagrams", "dropped_datagrams", "errors"):
        kernel.count(3, **{name: 9})
        assert kernel.told() == [(3, 1, 9)], name


def test_a_description_that_changed_is_told(kernel: Kernel) -> None:
    """As its owner does; not while it is being written."""
    kernel.open(1, tx_datagrams=1)
    assert len(kernel.told()) == 1
    kernel.cells[1]["version"] += 1
    kernel.count(1, tx_datagrams=2)
    assert kernel.told() == []
    kernel.cells[1]["version"] += 1
    assert kernel.told() == [(1, 1, 2)]


def test_the_next_flow_of_a_slot_is_told_though_it_counted_as_much(kernel: Kernel) -> None:
    """And one that has ended is not: the ring tells of it."""
    kernel.open(2, tx_datagrams=4)
    kernel.open(5, tx_datagrams=1)
    assert len(kernel.told()) == 2
    kernel.open(2, generation=2, tx_datagrams=4)
    kernel.cells[5]["open"] = 0
    kernel.count(5, tx_datagrams=2)
    assert kernel.told() == [(2, 2, 4)]


def test_slots_are_read_as_far_as_they_were_used(kernel: Kernel) -> None:
    """They are given out lowest first, and those of flows that ended were used."""
    for slot in range(130):
        kernel.open(slot, tx_datagrams=1)
    kernel.cells[:100]["open"] = 0
    assert [slot for slot, _, _ in kernel.told()] == list(range(100, 130))
    kernel.open(SLOTS - 1, tx_datagrams=1)
    assert kernel.told() == [], "nothing of the slots before it was used"


@pytest.fixture
def feed(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> UdpFeed:
    monkeypatch.setattr(kernel.flows, "tallies", lambda: Tallies(TALLIES))
    found = UdpFeed(ChosenNamespaces())
    found.cells = kernel.flows
    return found


class Tallies(dict[str, int]):
    """Counts that are 0 but for some."""

    def __missing__(self, name: str) -> int:
        return 0


def told(feed: UdpFeed) -> list[int]:
    """Slots of what it tells."""
    events: Any = feed.events()
    slots: list[int] = events["header"]["slot"].tolist()
    return slots


def test_a_window_has_its_flows_once(kernel: Kernel, feed: UdpFeed) -> None:
    """What grows meanwhile belongs to the next one."""
    kernel.open(0, tx_datagrams=1)
    assert told(feed) == []
    feed.notice(np.zeros(0, np.uint32))
    assert told(feed) == [0]
    kernel.count(0, tx_datagrams=2)
    assert told(feed) == []
    feed.notice(np.zeros(0, np.uint32))
    assert told(feed) == [0]


def test_the_ledger_balances_with_datagrams_without_a_slot(kernel: Kernel, feed: UdpFeed) -> None:
    """Each is a flow that was lost; what else was counted is noted."""
    feed.notice(np.zeros(0, np.uint32))
    kernel.flows.tallies = lambda: Tallies(TALLIES | {"no_slot": 3})  # type: ignore[method-assign] # as if counted
    told(feed)
    stage = feed.stage
    assert (stage.received, stage.delivered, stage.dropped) == (10, 7, {"no_slot": 3})
    assert stage.noted["folded"] == 2
    assert "aliases" not in stage.noted


def test_flows_of_other_namespaces_are_not_told(kernel: Kernel, feed: UdpFeed) -> None:
    """Where the configuration names some."""
    kernel.open(0, tx_datagrams=1)
    kernel.open(1, tx_datagrams=1)
    home = Path("/proc/self/ns/net").stat().st_ino
    kernel.cells[1]["event"]["socket"]["netns"] = home
    chosen = UdpFeed(ChosenNamespaces(["/proc/self/ns/net"]))
    chosen.cells = kernel.flows
    chosen.notice(np.zeros(0, np.uint32))
    assert told(chosen) == [1]
