"""Go's crypto/tls in a real program without symbols."""

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from probes.kernel.binaries import opened_elf
from probes.kernel.elf import Elf, ElfError
from probes.tls import golang
from probes.tls.finders import FINDERS
from probes.userspace.finding import examine

#: Debian's, which is stripped.
PROGRAM: Final = Path("/usr/sbin/nats-server")


def test_returns_are_those_of_the_disassembler() -> None:
    """All instructions that return, and no others: a probe within an instruction would break the program."""
    (found,) = examine(PROGRAM, FINDERS)
    assert found.finding.what == "Go crypto/tls"
    with opened_elf(PROGRAM) as elf:
        table = golang.functions(elf)
        assert table is not None
        for name, program in ((golang.READ, "tls_go_done"), (golang.WRITE, "tls_go_written")):
            begin, end = table.of(name) or (0, 0)
            ours = [at for at in found.finding.targets if at.name == name]
            assert ours[0].address == begin
            assert [at.address for at in ours if at.program == program] == _returns(begin, end)


def _returns(begin: int, end: int) -> list[int]:
    """Addresses of `ret` between these, as objdump has them."""
    part = (f"--start-address={begin:#x}", f"--stop-address={end:#x}")
    text = subprocess.run(
        ["objdump", "-d", *part, PROGRAM], check=True, capture_output=True, text=True
    ).stdout
    return [int(at, 16) for at in re.findall(r"^\s+([0-9a-f]+):\s.*\bret", text, re.MULTILINE)]


def test_functions_are_known_by_their_whole_names() -> None:
    """Not by the beginning of one; what is not there is not found."""
    with opened_elf(PROGRAM) as elf:
        table = golang.functions(elf)
        assert table is not None
        assert table.of("main.main") is not None
        assert table.of("crypto/tls.(*Conn).Rea") is None
        assert table.of("crypto/tls.(*Conn).Reads") is None


@pytest.mark.parametrize("module", [True, False], ids=["by its module", "by where it begins"])
def test_a_table_that_does_not_say_where_the_code_begins(
    module: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from Go 1.26 on; without fixed addresses the module has none in the file."""
    with opened_elf(PROGRAM) as elf:
        table = golang.functions(elf)
        header, at = next(_headers(elf))
        data = bytearray(PROGRAM.read_bytes())
    data[at + 24 : at + 32] = bytes(8)
    assert table is not None
    if not module:
        data = data.replace(struct.pack("<Q", header), bytes(8))
        monkeypatch.setattr(golang, "_ENTRY", "runtime.rt0_go")  # what there is of it where C is linked in
        begin, _ = table.of("runtime.rt0_go") or (0, 0)
        data[24:32] = struct.pack("<Q", begin)
    found = golang.functions(Elf(bytes(data)))
    assert found is not None
    assert np.array_equal(found.begins, table.begins)


def _headers(elf: Elf) -> Iterator[tuple[int, int]]:
    """Addresses of what looks like a table of Go 1.18, and their places in the file."""
    for part in elf.loaded(code=False):
        for match in re.finditer(rb"\xf0\xff\xff\xff\x00\x00\x01\x08", part.data):
            address = part.address + match.start()
            yield address, elf.file_offset(address)


def test_a_program_without_the_table_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told; a program in another language has nothing of Go."""
    with opened_elf(Path("/bin/bash")) as elf:
        assert golang.find_go(elf) is None
    monkeypatch.setattr(golang, "functions", lambda _: None)
    with opened_elf(PROGRAM) as elf, pytest.raises(ElfError, match="without its table of functions"):
        golang.find_go(elf)
