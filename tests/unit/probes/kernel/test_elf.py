"""ELF files: offsets of functions and build ids are those that readelf and the dynamic linker know."""

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.probe import Place
from probes.kernel import binaries
from probes.kernel.binaries import locate, mapped_files, opened_elf
from probes.kernel.elf import Elf, ElfError

SOURCE = """
int twice_old(int x) { return 2 * x; }
int twice_new(int x) { return x << 1; }
__asm__(".symver twice_old,twice@V1");
__asm__(".symver twice_new,twice@@V2");
int more_than_twice(int x) { return 3 * x; }
int than_twice(int x) { return x; }
static __attribute__((noinline, used)) int hidden(int x) { return 5 * x; }
int data_not_code = 7;
"""
VERSIONS = "V1 { global: *; };\nV2 { } V1;\n"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with two versions of one function, and names that end alike."""
    gcc = shutil.which("gcc")
    if not gcc:
        pytest.skip("gcc is missing: apt-get install gcc")
    folder = tmp_path_factory.mktemp("library")
    (folder / "twice.c").write_text(SOURCE)
    (folder / "versions").write_text(VERSIONS)
    flags = ["-shared", "-fPIC", "-Wl,--version-script=versions", "-Wl,--build-id=0x5eed5eed", "-o"]
    subprocess.run([gcc, *flags, "libtwice.so", "twice.c"], cwd=folder, check=True)
    return folder / "libtwice.so"


def read(path: Path) -> Elf:
    """The file, in memory."""
    return Elf(path.read_bytes())


def readelf(path: Path) -> dict[str, set[int]]:
    """Functions of the dynamic symbol table in their default version, by name, with their addresses."""
    command = ["readelf", "--wide", "--dyn-syms", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^ *\d+: ([0-9a-f]+) +\d+ FUNC +\w+ +\w+ +\d+ (\S+)", text, re.M)
    found: dict[str, set[int]] = {}
    for address, name in rows:
        if "@" not in name or "@@" in name:
            found.setdefault(name.partition("@")[0], set()).add(int(address, 16))
    return found


def segments(path: Path) -> list[tuple[int, int, int]]:
    """Offset, address and bytes in the file of each segment that is loaded, as readelf says."""
    command = ["readelf", "--wide", "--program-headers", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^ +LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", text, re.M)
    return [(int(offset, 16), int(address, 16), int(size, 16)) for offset, address, size in rows]


def test_every_function_of_the_c_library_is_where_readelf_says() -> None:
    """All of the default versions that have one address; names that end like others are told apart."""
    path = next(path for path in mapped_files(os.getpid()) if path.name == "libc.so.6")
    elf, loaded = read(path), segments(path)
    known = {name: addresses.pop() for name, addresses in readelf(path).items() if len(addresses) == 1}
    assert len(known) > 1000
    for name, address in list(known.items())[::7]:
        offset = next(
            address - begin + offset for offset, begin, size in loaded if begin <= address < begin + size
        )
        assert elf.offset_of(name) == offset, name


def test_the_offset_is_where_the_dynamic_linker_put_the_function(library: Path) -> None:
    """The bytes there are those that a process runs."""
    function = ctypes.cast(ctypes.CDLL(str(library)).more_than_twice, ctypes.c_void_p).value
    assert function
    code = ctypes.string_at(function, 8)
    offset = read(library).offset_of("more_than_twice")
    assert library.read_bytes()[offset : offset + 8] == code


def test_of_two_versions_the_default_one_is_meant(library: Path) -> None:
    """As a program that is linked today gets it."""
    elf = read(library)
    assert elf.offset_of("twice") == elf.offset_of("twice_new") != elf.offset_of("twice_old")


def test_a_function_that_is_not_exported_is_found_where_the_file_is_not_stripped(library: Path) -> None:
    """By the other symbol table; and not once the file is stripped."""
    assert read(library).offset_of("hidden") > 0
    stripped = library.with_name("stripped.so")
    subprocess.run(["strip", "-o", str(stripped), str(library)], check=True)
    with pytest.raises(ElfError, match="no function hidden"):
        read(stripped).offset_of("hidden")
    assert read(stripped).offset_of("than_twice") == read(library).offset_of("than_twice")


@pytest.mark.parametrize("name", ["data_not_code", "e_than_twice", "printf", ""])
def test_what_is_no_function_of_the_file_is_said(library: Path, name: str) -> None:
    """Data, the end of a name, and functions of other libraries."""
    with pytest.raises(ElfError, match=f"no function {name}"):
        read(library).offset_of(name)


def test_the_build_id_is_the_linkers(library: Path) -> None:
    """In hexadecimal; empty where there is none."""
    assert read(library).build_id == "5eed5eed"
    without = library.with_name("without.so")
    subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", str(library), str(without)], check=True)
    assert read(without).build_id in {"", "5eed5eed"}  # the segment may keep what the section had


@given(data=st.binary(max_size=300), place=st.integers(0, 20_000))
def test_a_damaged_file_is_an_error_and_nothing_else(library: Path, data: bytes, place: int) -> None:
    """Whatever its bytes are, and wherever it ends."""
    whole = bytearray(library.read_bytes())
    whole[place : place + len(data)] = data
    for damaged in (data, b"\x7fELF\x02\x01" + data, bytes(whole), bytes(whole[: place + 64])):
        with contextlib.suppress(ElfError):  # the one error that is meant; any other fails
            elf = Elf(damaged)
            assert isinstance(elf.build_id, str)
            elf.offset_of("twice")


def test_files_of_32_bits_are_refused() -> None:
    """In words."""
    with pytest.raises(ElfError, match="32 bits"):
        Elf(b"\x7fELF\x01\x01".ljust(64, b"\0"))


def test_a_place_by_path_symbol_and_offset(library: Path) -> None:
    """The offset counts from the symbol; the build id is compared in any case."""
    begin = read(library).offset_of("twice")
    assert locate(Place(str(library), symbol="twice", offset=4)) == (str(library), begin + 4)
    assert locate(Place(str(library), build_id="5EED5EED", offset=64)) == (str(library), 64)
    with pytest.raises(OSError, match="its build id is 5eed5eed, and not 5eed"):
        locate(Place(str(library), build_id="5eed", symbol="twice"))


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    """Empty ones, texts, and those that are not there."""
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("#!/bin/sh\n" * 20)
    for name, message in (("empty", "an empty file"), ("text", "no ELF file"), ("none", "No such file")):
        with pytest.raises(OSError, match=message):
            locate(Place(str(tmp_path / name), symbol="main"))


def test_a_file_is_found_by_its_build_id(
    library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Among the files that processes have mapped; files that are gone or no programs are passed over."""
    other = tmp_path / "other"
    other.write_text("text")
    maps = tmp_path / "proc" / "71" / "maps"
    maps.parent.mkdir(parents=True)
    (maps.parent / "root").symlink_to("/")
    rows = [f"0-1 r-xp 0 0:0 0 {path}" for path in (tmp_path / "gone", other, library)]
    maps.write_text("\n".join([*rows, f"0-1 rw-p 0 0:0 0 {library}", "0-1 r-xp 0 0:0 0"]))
    monkeypatch.setattr(binaries, "PROC", tmp_path / "proc")
    path, _ = locate(Place(build_id="5eed5eed", symbol="twice"))
    assert Path(path).samefile(library)
    assert [path.name for path in mapped_files(71)] == ["gone", "other", "libtwice.so"]
    assert mapped_files(72) == []


def test_nothing_of_the_file_stays_open(library: Path) -> None:
    """Also after an error."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened_elf(library) as elf:
        assert elf.build_id
    with pytest.raises(OSError, match="no function none"):
        locate(Place(str(library), symbol="none"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
