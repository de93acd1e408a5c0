"""Go's crypto/tls in a real program without symbols."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from probes.kernel.binaries import opened_elf
from probes.kernel.elf import ElfError
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


def test_a_program_without_the_table_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told; a program in another language has nothing of Go."""
    with opened_elf(Path("/bin/bash")) as elf:
        assert golang.find_go(elf) is None
    monkeypatch.setattr(golang, "functions", lambda _: None)
    with opened_elf(PROGRAM) as elf, pytest.raises(ElfError, match="without its table of functions"):
        golang.find_go(elf)
