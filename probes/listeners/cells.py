"""Listening sockets as the probe keeps them in the kernel: cells that are brought up to date once a second."""

import contextlib
import time
from typing import Final

import numpy as np

from probes.kernel.bpf.maps import push_all
from probes.kernel.bpf.programs import TestRun
from probes.kernel.layout import copied, enums, structs, void_rows
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names
from probes.listeners.probe import SWEEP

CELL: Final = structs("listeners")["listener_cell"]
EVENT: Final = structs("listeners")["listener_event"]
_KIND: Final = enums("listeners")["listeners_event"]["KIND_LISTENER"]
_SWEPT: Final = enums("listeners")["listener_sweep_size"]["SWEEP_LISTENERS"]


class ListenerCells:
    """The maps of the probe.

    :param loaded: with nothing attached yet: cells must be there before the first listener.
    :param cells: listening sockets that can be looked at.
    """

    def __init__(self, loaded: Loaded, cells: int) -> None:
        self._loaded = loaded
        self._count = cells
        self._cells = MappedArray(loaded.maps["listener_cells"], CELL, cells)
        self._last = np.zeros(0, CELL)  # as given out
        self._given_back = np.zeros(cells, np.uint32)  # generation of the socket whose end was read
        self._high = 0
        program = loaded.programs.get(SWEEP.alternatives[0].program)
        self._sweep = TestRun(program, 1) if program is not None else None
        push_all(loaded.maps["free_listeners"], range(cells - 1, -1, -1))

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum listener_tally``."""
        return read_tallies(self._loaded.maps["listener_tallies"], tally_names("listeners", "listener_tally"))

    def read(self) -> np.ndarray:
        """``struct listener_event`` of those that are not as they were when this was asked last; shape (n,)."""
        high = self._high_water()
        if self._sweep:
            for first in range(0, high, _SWEPT):
                self._sweep(first)
        cells = self._cells.copy(high)
        known = np.zeros(high, CELL)
        void_rows(known)[: len(self._last)] = void_rows(self._last)
        settled = (cells["socket"] != 0) | (cells["now"]["ended"] != 0)  # else it is being written
        settled &= cells["generation"] != self._given_back[:high]
        changed = np.flatnonzero((void_rows(cells) != void_rows(known)) & settled)
        void_rows(known)[changed] = void_rows(cells)[changed]
        self._last = known
        return self._events(copied(cells[changed]), changed)

    def _events(self, cells: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        events = np.zeros(len(cells), EVENT)
        head = events["header"]
        head["at_ns"], head["kind"] = time.monotonic_ns(), _KIND
        head["slot"], head["generation"] = numbers, cells["generation"]
        events["listener"] = cells["now"]
        ended = numbers[cells["now"]["ended"] != 0]
        self._given_back[ended] = self._last["generation"][ended]
        push_all(self._loaded.maps["free_listeners"], ended[::-1].tolist())
        return events

    def _high_water(self) -> int:
        """Cells are given out lowest first: behind the first that never was used, none was."""
        while self._high < self._count:
            ahead = self._cells.view(min(self._high + _SWEPT, self._count))[self._high :]
            used = ahead["generation"][:_SWEPT] != 0
            if not used.all():
                return self._high + int(used.argmin())
            self._high += len(used)
        return self._high

    def close(self) -> None:
        """Lets go of mapped memory, which would keep its map in the kernel."""
        with contextlib.suppress(AttributeError):
            del self._cells
