"""Dropped packets as the drops probe keeps them in the kernel: cells that only grow, subtracted once a second."""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from probes.drops.config import DropsConfig
from probes.drops.functions import Functions
from probes.drops.reasons import PLACES, VERDICTS, unknown_reasons, verdicts
from probes.kernel.bpf.maps import map_delete, map_update, percpu_lookup, push_all
from probes.kernel.headers import Headers, drop_reasons, version_numbers
from probes.kernel.layout import copied, enums, structs, void_rows
from probes.kernel.loader import Loaded
from probes.kernel.mapped import MappedArray
from probes.kernel.tallies import read_tallies, tally_names

CELL: Final = structs("drops")["drop_cell"]
#: A cell in its map: ``struct drop_room`` of bpf/drops/maps.h.
_ROOM: Final = np.dtype([("cell", CELL), ("reserved", "V8")])
PLACE: Final = structs("drops")["drop_place"]
#: ``DROP_PLACES`` of bpf/drops/maps.h.
_PLACES: Final = 1024
_HOOKS: Final = enums("drops")["drop_hook"]
_OUT: Final = enums("drops")["drop_way"]["DROP_OUT"]
#: Where a packet that came in goes next, once netfilter lets it: to this machine, or to another one.
_NEXT: Final = {
    "": _HOOKS["DROP_PREROUTING"],
    **dict.fromkeys(("ip_local_deliver", "ip6_input"), _HOOKS["DROP_INPUT"]),
    **dict.fromkeys(("ip_forward", "ip6_forward"), _HOOKS["DROP_FORWARD"]),
}
_BACKENDS: Final = enums("drops")["drop_backend"]
_TALLIES: Final = tally_names("drops", "drop_tally")
#: Seconds for which a cell must not grow before others get it.
IDLE_SECONDS: Final = 10
#: Cells that are looked at beyond the last one known to be used.
_AHEAD: Final = 256
#: What a cell's key is made of (``struct drop_key``), in this order.
_KEY: Final = np.dtype(
    [
        *(("source", "V16"), ("destination", "V16"), ("location", "<u8"), ("input", "<u8"), ("netns", "<u4")),
        *(("source_port", "<u2"), ("destination_port", "<u2"), ("reason", "<u2")),
        *(("protocol", "u1"), ("family", "u1"), ("way", "u1"), ("fold", "u1"), ("reserved", "<u2")),
    ]
)

_SAME: Final = tuple(name for name in _KEY.names or () if name != "reserved")

log = logging.getLogger(__name__)


class _Part:
    """Cells of one kind: those told apart, or the folded ones.

    :param begin: its first cell.
    :param free: the map with those that nobody has.
    """

    def __init__(self, loaded: Loaded, cells: MappedArray, begin: int, count: int, free: int) -> None:
        self._keys = loaded.maps["drop_keys"]
        self._cells = cells
        self._begin, self._count, self._free_map = begin, count, free
        self._last = np.zeros(0, CELL)
        self._idle = np.zeros(0, np.uint8)  # seconds without a drop
        self._free = np.zeros(0, np.bool_)  # given back, or never taken
        push_all(free, range(begin + count - 1, begin - 1, -1))

    def read(self) -> np.ndarray:
        """Cells that grew, with what they grew by; shape (n,)."""
        high = self._high_water()
        self._grow(high)
        cells = self._view(high)[self._begin : self._begin + high]
        last = self._last[:high]
        taken = cells["header"]["generation"] != last["header"]["generation"]
        self._free[:high] &= ~taken
        changed = np.flatnonzero(taken | (~self._free[:high] & (cells["count"] != last["count"])))
        now = self._copied(changed, high)
        grown = now.copy()
        new = now["header"]["generation"] != last["header"]["generation"][changed]
        for name in ("count", "segments", "bytes"):
            grown[name] -= np.where(new, np.uint64(0), last[name][changed])
        grown["segments"] += grown["count"]  # cells have those beyond one for each packet
        grown["first_ns"] = np.where(new, now["first_ns"], now["last_ns"])
        void_rows(self._last)[changed] = void_rows(now)
        self._give_back(changed, high)
        return grown

    def _view(self, high: int) -> np.ndarray:
        cells: np.ndarray = self._cells.view(self._begin + high)["cell"]
        return cells

    def _copied(self, places: np.ndarray, high: int) -> np.ndarray:
        """These cells; copied by the row."""
        rooms = self._cells.view(self._begin + high)[self._begin : self._begin + high]
        rows = rooms.view(np.uint8).reshape(-1, _ROOM.itemsize)[places, : CELL.itemsize]
        return np.ascontiguousarray(rows).view(CELL).reshape(-1)

    def _high_water(self) -> int:
        """Cells are given out lowest first: behind many that never were used, none was."""
        high = len(self._last)
        while high < self._count:
            end = min(self._count, high + _AHEAD)
            ahead = self._view(end)[self._begin + high : self._begin + end]
            used = np.flatnonzero(ahead["header"]["generation"])
            if not len(used):
                break
            high += int(used[-1]) + 1
        return high

    def _grow(self, high: int) -> None:
        more = high - len(self._last)
        if more > 0:
            grown = np.zeros(high, CELL)
            void_rows(grown)[: len(self._last)] = void_rows(self._last)
            self._last = grown
            self._idle = np.concatenate((self._idle, np.zeros(more, np.uint8)))
            self._free = np.concatenate((self._free, np.ones(more, np.bool_)))

    def _give_back(self, changed: np.ndarray, high: int) -> None:
        """Of an idle cell the key goes; a second later, when no program can have the cell at hand, it is free."""
        self._idle[:high] = np.minimum(self._idle[:high], 250) + 1
        self._idle[changed] = 0
        self._idle[self._free] = 0
        for place in np.flatnonzero(self._idle == IDLE_SECONDS).tolist():
            with contextlib.suppress(FileNotFoundError):
                map_delete(self._keys, _key_of(self._last[place]))
        ended = np.flatnonzero(self._idle > IDLE_SECONDS)
        self._free[ended] = True
        push_all(self._free_map, (self._begin + ended[::-1]).tolist())


def _backends(release: str) -> dict[str, int]:
    """Whose rules drop in which function: before Linux 6.7 those of nftables do so where those of xtables do."""
    if version_numbers(release) < (6, 7, 0):
        return {}
    return {"nft_do_chain": _BACKENDS["BACKEND_NFTABLES"], "nf_hook_slow": _BACKENDS["BACKEND_XTABLES"]}


def _key_of(cell: np.void) -> bytes:
    key = np.zeros(1, _KEY)
    for name in _SAME:
        key[name] = cell[name]
    return key.tobytes()


class DropCells:
    """The maps of the drops probe.

    :param loaded: with nothing attached yet: cells and verdicts must be there before the first drop.
    """

    def __init__(self, loaded: Loaded, headers: Headers, config: DropsConfig) -> None:
        self._loaded = loaded
        known = drop_reasons(headers)
        self._names = {number: name for name, number in known.items()}
        self._netfilter = known.get("NETFILTER_DROP", -1)
        self._functions = Functions()
        self._backends = _backends(os.uname().release)
        self._places = MappedArray(loaded.maps["drop_places"], PLACE, _PLACES)
        if unknown := unknown_reasons(known, config):
            log.warning("drops: this kernel has no reasons called %s", ", ".join(unknown))
        decided = verdicts(known, config)
        by_place = VERDICTS["DROP_BY_PLACE"]
        self._vague = [number for number, verdict in decided.items() if verdict == by_place]
        self._noise = 0  # packets in cells of places that turned out to be no trouble
        for number, verdict in decided.items():
            if number < 512:
                map_update(loaded.maps["drop_reasons"], number.to_bytes(4, "little"), bytes([verdict]))
        cells = MappedArray(loaded.maps["drop_cells"], _ROOM, config.cells)
        self._parts = [
            _Part(loaded, cells, 0, config.rows, loaded.maps["free_drops"]),
            _Part(loaded, cells, config.rows, config.folds, loaded.maps["free_folds"]),
            _Part(loaded, cells, config.rows + config.folds, config.rests, loaded.maps["free_rests"]),
        ]

    def tallies(self) -> dict[str, int]:
        """The program's own counts since the start, by the names of ``enum drop_tally``."""
        found = read_tallies(self._loaded.maps["drop_tallies"], _TALLIES)
        found["noise"] += self._noise
        left_out = found["noise"] + found["unreadable"] + found["no_cell"]
        return found | {"counted": max(0, found["seen"] - left_out)}

    def reasons(self) -> dict[str, int]:
        """All packets that were freed since the start, by the kernel's reason, also those that are no trouble."""
        numbers = [number for number in self._names if number < 512]
        values = percpu_lookup(self._loaded.maps["drop_counts"], max(numbers, default=-1) + 1)
        return {self._names[number]: int(values[number]) for number in numbers if values[number]}

    def read(self) -> np.ndarray:
        """What was dropped since it was last read; shape (n,)."""
        self._decide_places()
        grown = np.concatenate([part.read() for part in self._parts])
        grown["header"]["at_ns"] = time.monotonic_ns()
        self._name(grown, "reason", "reason_name", lambda number: self._names.get(number, f"REASON_{number}"))
        self._name(grown, "location", "function", self._functions.name)
        grown = self._without_noise(grown)
        self._name_hooks(grown)
        return grown

    def _without_noise(self, cells: np.ndarray) -> np.ndarray:
        """These without drops at places that are no trouble: the first ones there have cells."""
        vague = np.flatnonzero(np.isin(cells["reason"], self._vague))
        noise = vague[~np.isin(cells["function"][vague], [name.encode() for name in PLACES])]
        if not len(noise):
            return cells
        self._noise += int(cells["count"][noise].sum())
        return np.delete(cells, noise)

    def _decide_places(self) -> None:
        """Says of places at which packets were lost without a reason whether they are trouble."""
        places = self._places.view(_PLACES)
        for index in np.flatnonzero(
            (places["location"] != 0) & (places["verdict"] == VERDICTS["DROP_UNKNOWN"])
        ).tolist():
            place = copied(places[index : index + 1])
            wanted = self._functions.name(int(place["location"][0])) in PLACES
            place["verdict"] = VERDICTS["DROP_WANTED" if wanted else "DROP_NOISE"]
            map_update(self._loaded.maps["drop_places"], index.to_bytes(4, "little"), place.tobytes())

    def _name(self, cells: np.ndarray, number: str, name: str, named: Callable[[int], str]) -> None:
        numbers, place = np.unique(cells[number], return_inverse=True)
        names = [named(each).encode() for each in numbers.tolist()]
        cells[name] = np.array(names, CELL[name])[place] if names else b""

    def _name_hooks(self, cells: np.ndarray) -> None:
        """In which chains netfilter dropped, and whose they are."""
        rules = np.flatnonzero(cells["reason"] == self._netfilter)
        for row in rules.tolist():
            following = self._functions.name(int(cells["input"][row]))
            out = cells["way"][row] == _OUT
            cells["hook"][row] = _HOOKS["DROP_OUTPUT"] if out else _NEXT.get(following, 0)
            cells["header"]["old_state"][row] = self._backends.get(cells["function"][row].decode(), 0)

    def close(self) -> None:
        """Lets go of mapped memory, which would keep its maps in the kernel."""
        with contextlib.suppress(AttributeError):
            del self._parts, self._places
