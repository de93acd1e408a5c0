"""Functions of the kernel by the addresses in their text."""

from pathlib import Path
from typing import Final

import numpy as np

KALLSYMS: Final = Path("/proc/kallsyms")
#: The modules that are loaded, and where.
MODULES: Final = Path("/proc/modules")
#: Bytes behind the beginning of a function at which it has ended at the latest.
_LONGEST: Final = 1 << 17
#: Types of symbols that are functions.
_TEXT: Final = np.frombuffer(b"tTwW", np.uint8)
#: Of an address; behind it come a space, the type, a space, the name.
_DIGITS: Final = 16


class Functions:
    """The kernel's functions, with those of the modules that are loaded; without names where it does not show
    addresses (kernel.kptr_restrict).

    They are read again when an address is new and other modules are loaded than before: seldom, for places that drop
    packets are few.

    :param symbols: address, type, name of each in a line, as in ``KALLSYMS``.
    :param modules: as ``MODULES``.
    """

    def __init__(self, symbols: Path = KALLSYMS, modules: Path = MODULES) -> None:
        self._symbols, self._modules_file = symbols, modules
        self._modules = self._loaded_modules()
        self._read()

    def name(self, address: int) -> str:
        """The function that an address is in, without what compilers put behind a dot; empty if that is not known."""
        if address not in self._known:
            if (modules := self._loaded_modules()) != self._modules:
                self._modules = modules
                self._read()
            self._known[address] = self._find(address)
        return self._known[address]

    def _loaded_modules(self) -> str:
        """Name, size and address of each; how often they are used does not matter."""
        try:
            lines = self._modules_file.read_text().splitlines()
        except OSError:
            return ""
        return "\n".join(" ".join((*words[:2], words[5])) for line in lines if len(words := line.split()) > 5)

    def _read(self) -> None:
        try:
            text = self._symbols.read_bytes()
        except OSError:
            text = b""
        self._begins, self._places, self._names = _functions(text)
        self._known = {0: ""}

    def _find(self, address: int) -> str:
        place = int(np.searchsorted(self._begins, np.uint64(address), side="right")) - 1
        if place < 0 or address - int(self._begins[place]) > _LONGEST or not self._begins[place]:
            return ""
        begin = int(self._places[place])
        line = self._names[begin : self._names.index(b"\n", begin)]
        name, *_module = line.split(maxsplit=1)
        return name.decode().partition(".")[0]


def _functions(text: bytes) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Their addresses, ascending; where the name of each begins; names, each to the end of its line.

    Some 100,000 lines, taken apart as columns of bytes: a line at a time takes ten times as long.

    :raises ValueError: if a line does not begin with an address of 16 digits.
    """
    bytes_ = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(bytes_ == ord("\n"))
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: len(ends)]
    kinds = bytes_[begins + _DIGITS + 1]
    chosen = np.flatnonzero(np.isin(kinds, _TEXT))
    begins, ends = begins[chosen], ends[chosen]
    digits = bytes_[begins[:, None] + np.arange(_DIGITS)]
    addresses = np.frombuffer(bytes.fromhex(digits.tobytes().decode("ascii")), ">u8").astype(np.uint64)
    begins += _DIGITS + 3
    edges = np.zeros(len(bytes_) + 1, np.int8)  # 1 where a name begins, -1 behind the end of its line
    edges[begins], edges[ends + 1] = 1, -1
    names = bytes_[np.cumsum(edges[:-1], dtype=np.int8).view(bool)].tobytes()
    lengths = ends + 1 - begins
    order = np.argsort(addresses, kind="stable")
    return addresses[order], (np.cumsum(lengths) - lengths)[order], names
