"""Functions of the kernel by the addresses in their text."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

KALLSYMS: Final = Path("/proc/kallsyms")
#: Bytes behind the beginning of a function at which it has ended at the latest.
_LONGEST: Final = 1 << 17
#: Types of symbols that are functions.
_TEXT: Final = frozenset("tTwW")


class Functions:
    """The kernel's functions as they were when this was made; those of modules that are loaded later have no name.

    :param lines: of kallsyms: address, type, name.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        found = []
        for line in lines:
            address, kind, name, *_ = line.split(maxsplit=3)
            if kind in _TEXT:
                found.append((int(address, 16), name))
        found.sort()
        self._begins = np.array([address for address, _ in found], np.uint64)
        self._names = "\n".join(name for _, name in found).encode()  # one object: there are some 100,000
        lengths = np.array([len(name) + 1 for _, name in found], np.int64)
        self._ends = np.cumsum(lengths)
        self._known: dict[int, str] = {0: ""}

    @classmethod
    def running(cls) -> "Functions":
        """Those of the running kernel; without names where it does not show addresses (kernel.kptr_restrict)."""
        try:
            with KALLSYMS.open() as lines:
                return cls(lines)
        except OSError:
            return cls(())

    def name(self, address: int) -> str:
        """The function that an address is in, without what compilers put behind a dot; empty if that is not known."""
        if address not in self._known:
            self._known[address] = self._find(address)
        return self._known[address]

    def _find(self, address: int) -> str:
        place = int(np.searchsorted(self._begins, np.uint64(address), side="right")) - 1
        if place < 0 or address - int(self._begins[place]) > _LONGEST or not self._begins[place]:
            return ""
        begin = int(self._ends[place - 1]) if place else 0
        return self._names[begin : int(self._ends[place]) - 1].decode().partition(".")[0]
