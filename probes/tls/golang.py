"""Finds Go's crypto/tls in a program: by the table of functions that every Go program carries, also a stripped one.

Sources: the layout of `pclntab` (Go: src/runtime/symtab.go, `pcHeader` and `functab`) of Go 1.16, 1.18 and 1.20.
Calls have their arguments in registers since Go 1.17 (amd64); its table is that of 1.16. From 1.26 on the table does
not say where the code begins: the module does that refers to it (`moduledata`), and in a program without fixed
addresses, whose module the loader fills in, the function at which the program begins.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from probes.kernel.elf import Elf, ElfError, Segment
from probes.userspace.code import X86_64
from probes.userspace.finding import Finding, Target

#: The functions that are looked for.
READ: Final = "crypto/tls.(*Conn).Read"
WRITE: Final = "crypto/tls.(*Conn).Write"
#: By the magic number: whether addresses are kept as distances from where the code begins. 64 bits, x86's step of 1.
_MAGIC: Final = re.compile(rb"([\xfa\xf0\xf1]\xff\xff\xff)\x00\x00\x01\x08")
_OLD: Final = b"\xfa\xff\xff\xff"
#: What a function ends with: its frame is given up (`add rsp, bytes`), rbp may be taken back, `ret`.
_RETURN: Final = re.compile(rb"\x48(?:\x83\xc4.|\x81\xc4....)\x5d?\xc3", re.DOTALL)
#: Where a program begins that was linked by Go alone.
_ENTRY: Final = "_rt0_amd64_linux"
#: Words of a module up to where its code begins; the first is the table's address. Then come the lowest address of a
#: function, the highest, and the code's (Go: src/runtime/symtab.go, `moduledata`).
_MODULE_WORDS: Final = 23
_LEAST: Final = 20
_BUILD_INFO: Final = re.compile(rb"\xff Go buildinf:")


@dataclass(frozen=True)
class Functions:
    """The table of a program's functions.

    :param begins: their addresses, ascending, and the end of the last; shape (n + 1,).
    :param names: where their names begin in ``texts``; shape (n,).
    """

    begins: np.ndarray
    names: np.ndarray
    texts: bytes

    def moved(self, by: int) -> "Functions":
        """The same at other addresses."""
        return Functions(self.begins + by, self.names, self.texts)

    def of(self, name: str) -> tuple[int, int] | None:
        """Where a function begins and ends; None if there is not just one of this name."""
        at = self.texts.find(b"\0" + name.encode() + b"\0")
        found = np.flatnonzero(self.names == at + 1)
        if at < 0 or len(found) != 1:
            return None
        place = int(found[0])
        return int(self.begins[place]), int(self.begins[place + 1])


def is_go(elf: Elf) -> bool:
    """Whether the Go toolchain has linked it."""
    return any(_BUILD_INFO.search(part.data) for part in elf.loaded(code=False))


def functions(elf: Elf) -> Functions | None:
    """The table; None if there is none that can be read."""
    for part in elf.loaded(code=False):
        for match in _MAGIC.finditer(part.data):
            old = match[1] == _OLD
            try:
                table = _table(part, match.start(), old=old)
            except (struct.error, ValueError, IndexError):
                continue
            if old or table.begins[0]:
                return table
            begin = _module_begin(elf, part.address + match.start(), table) or _entry_begin(elf, table)
            return table.moved(begin) if begin else None
    return None


def _module_begin(elf: Elf, header: int, table: Functions) -> int:
    """Where the code begins, as the one module says that has this table; 0 if there is not just one."""
    pattern, found = re.compile(re.escape(struct.pack("<Q", header))), set()
    for part in elf.loaded(code=False):
        for match in pattern.finditer(part.data):
            words = np.frombuffer(part.data[match.start() :][: 8 * _MODULE_WORDS], "<u8")
            if len(words) < _MODULE_WORDS:
                continue
            least, most, begin = map(int, words[_LEAST : _LEAST + 3])
            if (least - begin, most - begin) == (int(table.begins[0]), int(table.begins[-1])):
                found.add(begin)
    return found.pop() if len(found) == 1 else 0


def _entry_begin(elf: Elf, table: Functions) -> int:
    """The same, where the program begins with Go's own function; 0 where it does not."""
    place = table.of(_ENTRY)
    begin = elf.entry - place[0] if place else 0
    inside = [part for part in elf.loaded(code=True) if part.address <= begin < part.address + len(part.data)]
    return begin if inside else 0


def _table(part: Segment, at: int, *, old: bool) -> Functions:
    data = part.data
    head: tuple[int, ...] = struct.unpack_from("<8Q", data, at + 8)
    count, start = head[0], 0 if old else head[2]
    places = head[2:] if old else head[3:]
    names_at, table_at = at + places[0], at + places[4]
    width = 8 if old else 4
    entries = np.frombuffer(data, f"<u{width}", 2 * count + 1, table_at).astype(np.int64)
    records = table_at + entries[1::2] + width  # behind the function's own address
    if not count or (np.diff(entries[::2]) < 0).any() or int(records.max()) + 4 > len(data):
        raise ValueError("no table of functions")
    whole = np.frombuffer(data, np.uint8)
    names = np.ascontiguousarray(whole[records[:, None] + np.arange(4)]).view("<i4")[:, 0]
    texts = bytes(data[names_at : at + places[1]])
    return Functions(entries[::2] + start, names.astype(np.int64), texts)


def find_go(elf: Elf) -> Finding | None:
    """What a program has of Go's crypto/tls.

    :raises ElfError: if its functions are not known for sure.
    """
    if elf.machine != X86_64 or not is_go(elf):
        return None
    table = functions(elf)
    if table is None:
        raise ElfError("a Go program without its table of functions (pclntab)")
    read, write = table.of(READ), table.of(WRITE)
    if read is None or write is None:
        return None  # it does not talk TLS
    targets = (
        Target("tls_go_read", READ, read[0], exact=True),
        *(Target("tls_go_done", READ, at, exact=True) for at in _returns(elf, *read)),
        Target("tls_go_write", WRITE, write[0], exact=True),
        *(Target("tls_go_written", WRITE, at, exact=True) for at in _returns(elf, *write)),
    )
    return Finding("Go crypto/tls", "by its table of functions", targets)


def _returns(elf: Elf, begin: int, end: int) -> list[int]:
    """Addresses of the instructions by which a function returns.

    :raises ElfError: if none is found.
    """
    found = [begin + match.end() - 1 for match in _RETURN.finditer(elf.code_at(begin, end - begin))]
    if not found:
        raise ElfError("a function of Go that does not return in the way that is known")
    return found
