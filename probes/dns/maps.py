"""The maps of the DNS probe: what its programs tell, and what they are told."""

import contextlib
from typing import Final, Protocol

import numpy as np

from probes.dns.config import QueriesConfig
from probes.dns.hashes import hashed_columns, seeds
from probes.dns.messages import RECORD
from probes.dns.probe import JUMPS
from probes.kernel.bpf.maps import map_delete, map_items, map_update
from probes.kernel.layout import structs
from probes.kernel.loader import Loaded
from probes.kernel.ring import RingReader
from probes.kernel.tallies import read_tallies, tally_names

TOLD: Final = structs("dns")["dns_exchange"]
QUESTION: Final = structs("dns")["dns_question"]
ASKED: Final = structs("dns")["dns_asked"]
CELL_KEY: Final = structs("dns")["dns_cell_key"]
CELL: Final = structs("dns")["dns_cell"]
_TALLIES: Final = tally_names("dns", "dns_tally")
#: What cells count.
COUNTS: Final = ("latency_ns", "queries", "retries", "truncated", "buckets")


class Records(Protocol):
    """Records of one kind, oldest first."""

    def waiting(self) -> int:
        """How many there are."""

    def peek(self) -> np.ndarray:
        """All of them, valid until ``release``."""

    def release(self) -> None:
        """What ``peek`` showed is no longer needed."""

    def read(self) -> np.ndarray:
        """A copy of all of them, which are no longer needed."""


class DnsMaps:
    """What the kernel has of DNS.

    :param loaded: with nothing attached yet.
    :ivar packets: ``struct dns_record``.
    :ivar exchanges: ``struct dns_exchange``.
    """

    def __init__(self, loaded: Loaded, config: QueriesConfig) -> None:
        self._loaded = loaded
        self.packets: Records = RingReader(loaded.maps["dns_ring"], config.ring_bytes, RECORD)
        self.exchanges: Records = RingReader(loaded.maps["dns_exchanges"], config.ring_bytes, TOLD)
        self._cells = GrowingCells(loaded.maps["dns_cells"])
        map_update(loaded.maps["dns_seeds"], bytes(4), seeds())
        for table, program in JUMPS.items():
            if program in loaded.programs:
                map_update(loaded.maps[table], bytes(4), loaded.programs[program].to_bytes(4, "little"))
        for port in config.ports:
            map_update(loaded.maps["dns_ports"], port.to_bytes(4, "little"), b"\1")

    def tallies(self) -> dict[str, int]:
        """The programs' own counts since the start, by the names of ``enum dns_tally``."""
        return read_tallies(self._loaded.maps["dns_tallies"], _TALLIES)

    def questions(self) -> tuple[np.ndarray, np.ndarray]:
        """Those that wait for their answers, ``QUESTION`` and ``ASKED``; shape (n,) each."""
        return map_items(self._loaded.maps["dns_waiting"], QUESTION, ASKED)

    def end(self, questions: np.ndarray) -> np.ndarray:
        """Ends the waiting of these; returns which still waited. Shape (n,), bool."""
        return _deleted(self._loaded.maps["dns_waiting"], questions)

    def forget(self, names: np.ndarray) -> None:
        """The texts of these names, by their hashes, are wanted again."""
        _deleted(self._loaded.maps["dns_told"], names)

    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """What cells grew by since they were last read: ``CELL_KEY`` and ``CELL``; shape (n,) each."""
        return self._cells.read()

    def close(self) -> None:
        """Unmaps the rings."""
        for ring in (self.packets, self.exchanges):
            assert isinstance(ring, RingReader)
            ring.close()


class GrowingCells:
    """Cells of exchanges, read by subtraction; those that rest from one reading to the next are given back."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._hashes = np.zeros(0, np.uint64)  # of keys, ascending
        self._values = np.zeros(0, CELL)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """What grew; shape (n,) each."""
        keys, values = map_items(self._fd, CELL_KEY, CELL)
        hashes = hashed_columns(*(keys[name] for name in _KEY_FIELDS))
        _, order = np.unique(hashes, return_index=True)
        keys, values, hashes = keys[order], values[order], hashes[order]
        grown = values.copy()
        places = np.searchsorted(self._hashes, hashes)
        known = places < len(self._hashes)
        known[known] = self._hashes[places[known]] == hashes[known]
        for name in COUNTS:
            grown[name][known] -= self._values[name][places[known]]
        new = grown["queries"] > 0
        resting = keys[known & ~new]
        self._hashes, self._values = hashes[new], values[new]
        _deleted(self._fd, resting)
        return keys[new], grown[new]


_KEY_FIELDS: Final = ("name", "slot", "generation", "type", "rcode", "transport", "role")


def _deleted(fd: int, keys: np.ndarray) -> np.ndarray:
    found = np.zeros(len(keys), np.bool_)
    raw, size = np.ascontiguousarray(keys).tobytes(), keys.dtype.itemsize
    for place in range(len(keys)):
        with contextlib.suppress(FileNotFoundError):
            map_delete(fd, raw[place * size : (place + 1) * size])
            found[place] = True
    return found
