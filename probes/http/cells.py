"""Counted requests as the HTTP probe keeps them in the kernel: cells that only grow, subtracted once a second."""

import contextlib
import struct
import time
from typing import Final

import numpy as np

from probes.http.config import HttpConfig
from probes.http.probe import JUMPS
from probes.http.wanted import WantedConnections
from probes.kernel.bpf.maps import map_delete, map_update, push_all
from probes.kernel.bpf.programs import TestRun
from probes.kernel.layout import copied, enums, structs, void_rows
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names
from probes.tcp.sockets import TcpSockets

CELL: Final = structs("http")["request_cell"]
_PROXY: Final = enums("http")["proxy_role"]["ROLE_PROXY"]
_KEYED: Final = enums("http")["request_flag"]["REQUEST_KEYED"]
#: Cells that are looked at beyond the last one known to be used.
_AHEAD: Final = 1024
#: How a key of the map ``request_keys`` is laid out (bpf/http/maps.h).
_KEY: Final = np.dtype(
    [("path", "<u8"), ("host", "<u8"), ("slot", "<u4"), ("generation", "<u4"), ("kind", "<u8")]
)


def fill_jumps(loaded: Loaded) -> None:
    """Tells the programs that are there with which others they go on."""
    for table, names in JUMPS.items():
        for index, name in enumerate(names):
            if name in loaded.programs:
                value = loaded.programs[name].to_bytes(4, "little")
                map_update(loaded.maps[table], index.to_bytes(4, "little"), value)


class RequestCells:
    """The maps of the HTTP probe.

    :param loaded: with nothing attached yet: cells and programs must be there before the first request.
    :param sockets: whose requests these are.
    :param config: which says how many cells can be in use at once, and what is counted.
    :param slots: of sockets.
    """

    def __init__(self, loaded: Loaded, sockets: TcpSockets, config: HttpConfig, slots: int) -> None:
        self._loaded = loaded
        self._sockets = sockets
        self._wanted = WantedConnections(loaded, config)
        cells = config.cells
        self._count = cells
        self._cells = MappedArray(loaded.maps["request_cells"], CELL, cells)
        self._states = MappedArray(loaded.maps["http_states"], structs("http")["http_state"], slots)
        self._last = np.zeros(0, CELL)  # as given out
        self._free = np.zeros(0, np.bool_)  # given back, and not taken since
        self._gone = np.zeros(0, np.bool_)  # whose socket was gone when it was last looked at
        self._high = 0
        self._forgotten = np.zeros(slots, np.uint32)  # by slot, of whose socket no part of a line is left
        program = loaded.programs.get("http_give_up")
        self._give_up = TestRun(program, 1) if program is not None else None
        fill_jumps(loaded)
        push_all(loaded.maps["free_cells"], range(cells - 1, -1, -1))

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum http_tally``."""
        return read_tallies(self._loaded.maps["http_tallies"], tally_names("http", "http_tally"))

    def read(self) -> np.ndarray:
        """What was counted since it was last read: cells that grew, with what they grew by; shape (n,)."""
        self._wanted.refresh()
        self._end_unanswered()
        self._forget_parts()
        high = self._high_water()
        self._grow(high)
        cells = self._cells.view(high)[:high]
        last = self._last[:high]
        grew = cells["requests"] != last["requests"]
        grew |= cells["response_bytes"] != last["response_bytes"]
        changed = np.flatnonzero(grew)
        now = copied(cells[changed]) if len(changed) else np.zeros(0, CELL)
        grown = now.copy()
        for name in ("requests", "latency_ns", "buckets", "request_bytes", "response_bytes"):
            grown[name] -= self._last[name][changed]
        grown["header"]["at_ns"] = time.monotonic_ns()
        void_rows(self._last)[changed] = void_rows(now)
        self._give_back(cells, changed)
        return grown

    def _end_unanswered(self) -> None:
        """Counts requests that wait for an answer on sockets that are gone."""
        high = self._sockets.used_slots()
        states = self._states.view(high)[:high]
        waiting = states["asked"] - states["answered"]
        slots = np.flatnonzero(waiting)
        if not len(slots) or not self._give_up:
            return
        gone = slots[~self._sockets.live(slots, states["generation"][slots])]
        for slot in np.repeat(gone, waiting[gone]).tolist():
            self._give_up(slot)

    def _forget_parts(self) -> None:
        """Deletes beginnings of lines whose rest cannot come, for their sockets are gone: they may have secrets."""
        high = self._sockets.used_slots()
        states = self._states.view(high)[:high]
        kept = np.flatnonzero((states["asks"]["part"] != 0) | (states["answers"]["part"] != 0))
        generations = states["generation"][kept]
        kept = kept[(self._forgotten[kept] != generations) & ~self._sockets.live(kept, generations)]
        self._forgotten[kept] = states["generation"][kept]
        for slot in kept.tolist():
            for sent in (0, 1):
                with contextlib.suppress(FileNotFoundError):
                    map_delete(self._loaded.maps["http_parts"], struct.pack("=II", slot, sent))

    def _high_water(self) -> int:
        """Cells are given out lowest first: behind many that never were used, none was."""
        while self._high < self._count:
            ahead = self._cells.view(self._high + _AHEAD)[self._high : self._high + _AHEAD]
            used = np.flatnonzero(ahead["header"]["generation"])
            if not len(used):
                break
            self._high += int(used[-1]) + 1
        return self._high

    def _grow(self, high: int) -> None:
        """Makes room for what is remembered of cells."""
        if len(self._last) >= high:
            return
        size = min(self._count, max(_AHEAD, 2 * len(self._last), high))
        for name in ("_last", "_free", "_gone"):
            before = getattr(self, name)
            after = np.zeros(size, before.dtype)
            if len(before):
                void_rows(after)[: len(before)] = void_rows(before)
            setattr(self, name, after)

    def _give_back(self, cells: np.ndarray, changed: np.ndarray) -> None:
        """Cells whose socket was gone also when they were last looked at, and that have not grown since, are free.

        Those of what a proxy passed on have two sockets, of which one is enough.
        """
        high = len(cells)
        heads = cells["header"]
        slots, generations = heads["slot"], heads["generation"]
        known = self._last["header"]
        self._free[:high] &= (known["slot"][:high] == slots) & (known["generation"][:high] == generations)
        self._free[changed] = False  # taken again, if only for another server of the same proxy's connection
        gone = (generations != 0) & ~self._free[:high]
        held = np.flatnonzero(gone)
        gone[held] = ~self._sockets.live(slots[held], generations[held])
        passed_on = held[cells["role"][held] == _PROXY]
        upstream = cells["host"][passed_on]
        gone[passed_on] |= ~self._sockets.live(
            (upstream >> np.uint64(32)).astype(np.uint32), upstream.astype(np.uint32)
        )
        gone[changed] = False
        ended = np.flatnonzero(gone & self._gone[:high])
        self._gone[:high] = gone
        if not len(ended):
            return
        void_rows(self._last)[ended] = void_rows(copied(cells[ended]))
        self._forget_keys(cells[ended[(cells["flags"][ended] & _KEYED) != 0]])
        self._free[ended] = True
        self._gone[ended] = False
        push_all(self._loaded.maps["free_cells"], ended[::-1].tolist())

    def _forget_keys(self, cells: np.ndarray) -> None:
        keys = np.zeros(len(cells), _KEY)
        for name in ("slot", "generation"):
            keys[name] = cells["header"][name]
        keys["path"], keys["host"] = cells["path"], cells["host"]
        parts = [cells[name].astype(np.uint64) for name in ("method", "role", "status")]
        keys["kind"] = parts[0] << np.uint64(24) | parts[1] << np.uint64(16) | parts[2]
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                map_delete(self._loaded.maps["request_keys"], key.tobytes())

    def close(self) -> None:
        """Lets go of mapped memory, which would keep its maps in the kernel."""
        with contextlib.suppress(AttributeError):
            del self._cells, self._states
