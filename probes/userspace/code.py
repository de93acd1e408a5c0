"""Functions of a program without symbols: where they begin, what they refer to, whom they call. x86-64 only.

Sources: the unwind table `.eh_frame_hdr` has the beginning of each function, in order (Linux Standard Base: "The
.eh_frame_hdr section"); encodings of instructions are those of the processor's manual.
"""

import re
import struct
from collections.abc import Iterable
from functools import cached_property
from typing import Final

import numpy as np

from probes.kernel.elf import Elf, ElfError, Segment

#: EM_X86_64 of elf.h.
X86_64: Final = 62
#: Version 1, pointers relative to themselves, numbers of 4 bytes, entries relative to the table.
_TABLE_HEAD: Final = b"\x01\x1b\x03\x3b"
_CALL: Final = re.compile(rb"\xe8(....)", re.DOTALL)
#: Bytes of code that are looked at in one step.
_STEP: Final = 1 << 24
#: Strings are not longer than this.
_STRING_BYTES: Final = 512
#: An instruction `lea register, [rip + distance]`: its bytes, and where in them the distance is.
_LEA_BYTES, _DISTANCE = 7, 3


class Code:
    """The code of one file.

    :raises ElfError: if it is for another processor, or has no table of its functions.
    """

    def __init__(self, elf: Elf) -> None:
        if elf.machine != X86_64:
            raise ElfError("code of another processor than x86-64")
        self._elf = elf
        self._segments = elf.loaded(code=True)

    @cached_property
    def begins(self) -> np.ndarray:
        """Addresses of all functions in the table, ascending; shape (n,).

        :raises ElfError: if there is no table that can be read.
        """
        table = self._elf.unwind_table
        if table is None or bytes(table.data[:4]) != _TABLE_HEAD or len(table.data) < 12:
            raise ElfError("no table of its functions (.eh_frame_hdr)")
        count = min(struct.unpack_from("<I", table.data, 8)[0], (len(table.data) - 12) // 8)
        entries = np.frombuffer(table.data, "<i4", 2 * count, 12)
        return entries[::2].astype(np.int64) + table.address

    def function_at(self, address: int) -> int:
        """Where the function begins that has an address; 0 if none has."""
        place = int(np.searchsorted(self.begins, address, "right"))
        return int(self.begins[place - 1]) if place else 0

    def body(self, function: int) -> bytes:
        """The bytes of a function, with what lies between it and the next one.

        :raises ElfError: if no segment has it.
        """
        place = int(np.searchsorted(self.begins, function, "right"))
        end = int(self.begins[place]) if place < len(self.begins) else function + 4096
        return self._elf.code_at(function, end - function)

    def calls(self, function: int) -> list[int]:
        """The functions that one calls, by their addresses, in order; not those of other files."""
        found = (
            function + call.end() + struct.unpack("<i", call[1])[0]
            for call in _CALL.finditer(self.body(function))
        )
        return [to for to in found if self.function_at(to) == to]

    def references(self, targets: Iterable[int]) -> dict[int, list[int]]:
        """Addresses of the instructions that load each target's address, by target."""
        wanted = np.array(sorted(targets), np.int64)
        found: dict[int, list[int]] = {int(target): [] for target in wanted}
        for part in self._segments:
            for at, to in _references(part, wanted):
                found[to].append(at)
        return found


def _references(part: Segment, targets: np.ndarray) -> Iterable[tuple[int, int]]:
    code = np.frombuffer(part.data, np.uint8)
    for begin in range(0, max(0, len(code) - _LEA_BYTES + 1), _STEP):
        window = code[begin : begin + _STEP + _LEA_BYTES - 1]
        at = np.flatnonzero(window[1 : len(window) - 5] == 0x8D)  # a lea …
        at = at[
            (window[at] & 0xFB == 0x48) & (window[at + 2] & 0xC7 == 5)
        ]  # … of 64 bits, relative to itself
        if not len(at):
            continue
        distances = np.ascontiguousarray(window[at[:, None] + np.arange(_DISTANCE, _LEA_BYTES)])
        to = part.address + begin + at + _LEA_BYTES + distances.view("<i4")[:, 0].astype(np.int64)
        hit = np.isin(to, targets)
        yield from zip((part.address + begin + at[hit]).tolist(), to[hit].tolist(), strict=True)


def strings(elf: Elf, text: bytes) -> list[int]:
    """Where the file's data has strings that end in ``text``: the addresses of their beginnings."""
    found = []
    for part in elf.loaded(code=False):
        for match in re.finditer(re.escape(text) + b"\0", part.data):
            begin = max(0, match.start() - _STRING_BYTES)
            before = bytes(part.data[begin : match.start()])
            found.append(part.address + begin + before.rfind(b"\0") + 1)
    return found
