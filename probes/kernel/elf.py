"""What of an ELF file a uprobe needs: where functions are, their code, its build id. Pure: bytes in, numbers out.

Source: elf(5); the GNU build id is a note of type 3 named "GNU"; versions of symbols: .gnu.version, whose highest bit
marks those that are not the default.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_LOAD, _NOTE, _UNWIND = 1, 4, 0x6474E550  # types of segments
_EXECUTABLE: Final = 1  # flag of a segment
_SYMTAB, _DYNSYM, _VERSYM = 2, 11, 0x6FFFFFFF  # types of sections
_FUNCTION: Final = 2
_BUILD_ID: Final = 3
_HIDDEN: Final = 0x8000


class ElfError(ValueError):
    """The file is no ELF file that can be read here, or has not what is looked for."""


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Segment:
    """A part of the file that is mapped into memory.

    :param address: as the file's symbols count, before it is moved.
    """

    address: int
    data: memoryview


class Elf:
    """A 64-bit ELF file.

    :param data: the whole file, of which nothing is kept but this; of a memory map only what is looked at is read.
    :raises ElfError: if it is none.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        if bytes(self._data[:4]) != b"\x7fELF" or len(self._data) < 64:
            raise ElfError("no ELF file")
        if self._data[4] != 2:
            raise ElfError("an ELF file of 32 bits")
        self._order = "<" if self._data[5] == 1 else ">"
        self._segments = self._table(32, 54, [("kind", "u4"), ("flags", "u4"), *_PLACED, ("align", "u8")])
        self._tables: dict[int, np.ndarray] = {}  # of symbols, by their offsets
        self._texts: dict[int, bytes] = {}  # of strings
        self._sections = [_Section(*map(int, row)) for row in self._section_table()]

    def _number(self, at: int, size: int) -> int:
        return int(self._read(f"{self._order}u{size}", 1, at)[0])

    def _read(self, dtype: npt.DTypeLike, count: int, at: int) -> np.ndarray:
        try:
            return np.frombuffer(self._data, dtype, count, at).copy()
        except (ValueError, OverflowError) as error:  # behind its end
            raise ElfError("a damaged ELF file") from error

    def _table(self, place: int, sizes: int, fields: list[tuple[str, str]]) -> np.ndarray:
        """A table whose offset stands at ``place``, and at ``sizes`` the bytes of an entry and their number."""
        dtype = np.dtype([(name, self._order + kind) for name, kind in fields])
        begin, size, count = self._number(place, 8), self._number(sizes, 2), self._number(sizes + 2, 2)
        if count and size != dtype.itemsize:
            raise ElfError("a damaged ELF file")
        return self._read(dtype, count, begin if count else 0)

    def _section_table(self) -> list[tuple[int, ...]]:
        names = ("name", "kind", "flags", "address", "offset", "size", "link", "info", "align", "entry")
        kinds = ("u4", "u4", "u8", "u8", "u8", "u8", "u4", "u4", "u8", "u8")
        table = self._table(40, 58, list(zip(names, kinds, strict=True)))
        return [tuple(row) for row in table[["kind", "offset", "size", "link"]].tolist()]

    def _section(self, kind: int) -> Iterator[_Section]:
        return (section for section in self._sections if section.kind == kind)

    @property
    def machine(self) -> int:
        """For which it is (elf.h: EM_…); 62 is x86-64."""
        return self._number(18, 2)

    @property
    def entry(self) -> int:
        """The address at which a program begins."""
        return self._number(24, 8)

    def loaded(self, *, code: bool) -> list[Segment]:
        """Segments with code, or those with none."""
        table = self._segments[self._segments["kind"] == _LOAD]
        wanted = table[(table["flags"] & _EXECUTABLE != 0) == code]
        return [self._segment(row) for row in wanted]

    @property
    def unwind_table(self) -> Segment | None:
        """Where `.eh_frame_hdr` is; None if the file has none."""
        rows = self._segments[self._segments["kind"] == _UNWIND]
        return self._segment(rows[0]) if len(rows) else None

    def _segment(self, row: np.void) -> Segment:
        begin, size = int(row["offset"]), int(row["file_size"])
        return Segment(int(row["address"]), memoryview(self._data)[begin : begin + size])

    def code_at(self, address: int, size: int) -> bytes:
        """Bytes from an address on; fewer where the segment ends.

        :raises ElfError: if no segment has it.
        """
        begin = self.file_offset(address)
        return bytes(self._data[begin : begin + size])

    @property
    def build_id(self) -> str:
        """In hexadecimal; empty if the file has none."""
        for segment in self._segments[self._segments["kind"] == _NOTE]:
            at = int(segment["offset"])
            end = at + int(segment["file_size"])
            while at + 12 <= end:
                name, size, kind = (self._number(at + place, 4) for place in (0, 4, 8))
                begin = at + 12 + -(-name // 4) * 4
                if kind == _BUILD_ID and bytes(self._data[at + 12 : at + 12 + name]) == b"GNU\0":
                    return bytes(self._data[begin : begin + size]).hex()
                at = begin + -(-size // 4) * 4
        return ""

    def offset_of(self, symbol: str) -> int:
        """Where in the file a function begins; of several versions of it the default one.

        :raises ElfError: if the file has no such function, or several.
        """
        found = {address for kind in (_DYNSYM, _SYMTAB) for address in self._addresses(kind, symbol)}
        if not found:
            raise ElfError(f"no function {symbol}")
        if len(found) > 1:
            raise ElfError(f"{len(found)} functions {symbol}: say which one by its offset")
        return self.file_offset(found.pop())

    def addresses(self, names: Iterable[str]) -> dict[str, int]:
        """Where functions begin, of those of these names that the file has; of several versions the default ones.

        A name that several functions have is left out.
        """
        found = {
            name: {address for kind in (_DYNSYM, _SYMTAB) for address in self._addresses(kind, name)}
            for name in names
        }
        return {name: places.pop() for name, places in found.items() if len(places) == 1}

    def _addresses(self, kind: int, symbol: str) -> Iterator[int]:
        for section in self._section(kind):
            places = self._places(section, symbol)
            if not places:
                continue
            table = self._symbols(section)
            wanted = (table["info"] & 15 == _FUNCTION) & (table["section"] != 0)
            wanted &= np.isin(table["name"], places)
            if kind == _DYNSYM:
                for versions in self._section(_VERSYM):  # one for each symbol
                    wanted &= self._read(self._order + "u2", len(table), versions.offset) & _HIDDEN == 0
            yield from table["address"][wanted].tolist()

    def _symbols(self, section: _Section) -> np.ndarray:
        if section.offset not in self._tables:
            self._tables[section.offset] = self._read_symbols(section)
        return self._tables[section.offset]

    def _read_symbols(self, section: _Section) -> np.ndarray:
        fields = (("name", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"), ("address", "u8"))
        dtype = np.dtype(
            [*((name, self._order + kind) for name, kind in fields), ("size", self._order + "u8")]
        )
        return self._read(dtype, section.size // dtype.itemsize, section.offset)

    def _places(self, symbols: _Section, symbol: str) -> list[int]:
        """Where the name may begin in the strings of a table of symbols; one may be the end of another."""
        if symbols.link >= len(self._sections):
            raise ElfError("a damaged ELF file")
        strings = self._sections[symbols.link]
        text = self._texts.get(strings.offset)
        if text is None:
            text = bytes(self._data[strings.offset : strings.offset + strings.size])
            self._texts[strings.offset] = text
        name, places, at = symbol.encode() + b"\0", [], -1
        while (at := text.find(name, at + 1)) >= 0:
            places.append(at)
        return places

    def file_offset(self, address: int) -> int:
        """Where in the file an address is.

        :raises ElfError: if no segment has it.
        """
        for segment in self._segments[self._segments["kind"] == _LOAD]:
            inside = address - int(segment["address"])
            if 0 <= inside < int(segment["file_size"]):
                return inside + int(segment["offset"])
        raise ElfError(f"no segment has the address {address:#x}")


#: The middle of a segment's entry.
_PLACED: Final = [
    ("offset", "u8"),
    ("address", "u8"),
    ("physical", "u8"),
    ("file_size", "u8"),
    ("memory_size", "u8"),
]
