"""Flows of UDP as the programs keep them in the kernel: cells that only grow, read once a second."""

import contextlib
import time
from typing import Final

import numpy as np

from probes.kernel.bpf.links import iterate
from probes.kernel.bpf.maps import push_all
from probes.kernel.bpf.programs import TestRun
from probes.kernel.layout import enums, rows_at, structs
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names
from probes.udp.config import UdpConfig
from probes.udp.probe import ADOPTION, SWEEP
from probes.udp.readers import ReaderHook

CELL: Final = structs("udp")["udp_cell"]
EVENT: Final = structs("udp")["datagram_event"]
_KIND: Final = enums("udp")["udp_event"]["KIND_DATAGRAMS"]
_TALLIES: Final = tally_names("udp", "udp_tally")
#: Slots that one run of the sweep looks at.
_STEP: Final = enums("udp")["udp_sweep"]["UDP_SWEEP_SLOTS"]
#: Counters that only grow: a flow in which none has grown has nothing new.
_GROWING: Final = ("tx_datagrams", "rx_datagrams", "dropped_datagrams", "errors")


class UdpFlows:
    """The maps of the UDP probe.

    :param loaded: with nothing attached yet: slots must be there before the first datagram.
    :param config: which says how many flows there can be at once.
    """

    def __init__(self, loaded: Loaded, config: UdpConfig) -> None:
        self._loaded = loaded
        self._slots = config.slots
        self._cells = MappedArray(loaded.maps["udp_cells"], CELL, config.slots)
        self._high = 0
        self._grown = np.zeros(config.slots, np.uint64)  # sums of what is growing, as last given out
        self._stamps = np.zeros((config.slots, 2), np.uint32)  # generation and version, likewise
        program = loaded.programs.get(SWEEP.program)
        self._sweep = TestRun(program, 1) if program is not None else None
        self._readers: ReaderHook | None = None
        push_all(loaded.maps["udp_free"], range(config.slots - 1, -1, -1))

    def adopt(self) -> None:
        """Takes in the sockets that were open before, with their owners, where the kernel has such an iterator.

        Called once all hooks are attached. Datagrams of one that pass meanwhile are counted, and may be of nobody.
        """
        self._readers = ReaderHook(self._loaded, lambda: self.tallies()["readers"])
        program = self._loaded.programs.get(ADOPTION.alternatives[0].program)
        if program is not None:
            iterate(program)

    def lost_hooks(self) -> list[str]:
        """Places of cgroups from which somebody else has taken our programs: what passes there is not counted."""
        return [hook.name for hook in self._loaded.lost_hooks()]

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum udp_tally``."""
        return read_tallies(self._loaded.maps["udp_tallies"], _TALLIES)

    def read(self) -> np.ndarray:
        """Ends flows that rest for too long; returns those that counted something since the last call, or are new.

        :returns: ``struct datagram_event``; shape (n,). What has ended comes by the ring.
        """
        high = self._high_water()
        if self._sweep:
            for first in range(0, high, _STEP):
                self._sweep(first)
        cells = self._cells.view(high)[:high]
        places = np.flatnonzero(cells["open"])
        stamps = np.stack((cells["generation"][places], cells["version"][places]), axis=1)
        counters = cells["event"]["counters"]
        grown = sum(counters[name][places].astype(np.uint64) for name in _GROWING)
        new = (grown != self._grown[places]) | (stamps != self._stamps[places]).any(axis=1)
        self._look_for_readers(cells, places[new])
        new &= stamps[:, 1] % 2 == 0  # another second, when its description is whole
        places, stamps, grown = places[new], stamps[new], np.asarray(grown)[new]
        now = rows_at(cells, places)
        # A slot that changed hands meanwhile, or whose flow has ended: the ring tells of it.
        still = (cells["generation"][places] == stamps[:, 0]) & (cells["version"][places] == stamps[:, 1])
        still &= cells["open"][places] != 0
        self._grown[places[still]], self._stamps[places[still]] = grown[still], stamps[still]
        return self._events(places[still], now[still])

    def _look_for_readers(self, cells: np.ndarray, busy: np.ndarray) -> None:
        """Wants to know who receives, if flows at these places have only come in and their owner is not sure."""
        if self._readers:
            unsure = (cells["settled"][busy] == 0) & (cells["event"]["counters"]["rx_datagrams"][busy] != 0)
            self._readers.look(waiting=bool(unsure.any()))

    @staticmethod
    def _events(places: np.ndarray, cells: np.ndarray) -> np.ndarray:
        events = np.ascontiguousarray(cells["event"])
        header = events["header"]
        header["at_ns"], header["kind"] = time.monotonic_ns(), _KIND
        header["slot"], header["generation"] = places, cells["generation"]
        return events

    def live(self, slots: np.ndarray, generations: np.ndarray) -> np.ndarray:
        """Which of these flows are open; shape (n,), bool."""
        cells = self._cells.view(int(slots.max(initial=0)) + 1)
        there: np.ndarray = (cells["open"][slots] != 0) & (cells["generation"][slots] == generations)
        return there

    def _high_water(self) -> int:
        """Slots are given out lowest first: behind many that never were used, none was."""
        while self._high < self._slots:
            ahead = self._cells.view(self._high + _STEP)[self._high : self._high + _STEP]
            used = np.flatnonzero(ahead["generation"])
            if not len(used):
                break
            self._high += int(used[-1]) + 1
        return self._high

    def close(self) -> None:
        """Lets go of mapped memory, which would keep its maps in the kernel."""
        with contextlib.suppress(AttributeError):
            del self._cells
