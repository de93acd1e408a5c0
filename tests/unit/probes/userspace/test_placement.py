"""Where probes stand: on an instruction, as the disassembler sees it, with the arguments untouched."""

import re
import subprocess
from pathlib import Path

import pytest

from probes.kernel.binaries import LIBRARY_FOLDERS, opened_elf
from probes.userspace.code import Code
from probes.userspace.placement import LOOKED_AT, best_spot

#: What the kernel emulates, by the disassembler's words.
_EMULATED = re.compile(r"(push +%r|nop$|call +[0-9a-f]|jmp +[0-9a-f]|j[a-z]+ +[0-9a-f])")
#: What may stand before it.
_HARMLESS = re.compile(r"(endbr64|test +%|cmp +%\S+,%|xor +%|mov +%)")


def libssl() -> Path:
    """The system's."""
    return next(path for folder in LIBRARY_FOLDERS if (path := Path(folder) / "libssl.so.3").exists())


def disassembled(path: Path) -> dict[int, str]:
    """Instructions by their addresses."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {int(at, 16): what.strip() for at, what in re.findall(r"^ +([0-9a-f]+):\t(.*)$", text, re.M)}


def test_every_spot_in_a_library_is_an_instruction_that_keeps_the_arguments() -> None:
    """Emulated where it says so; in most functions there is such a one."""
    code, cheap = disassembled(libssl()), 0
    with opened_elf(libssl()) as elf:
        functions = [at for at in Code(elf).begins.tolist() if at in code]
        assert len(functions) > 1000
        for function in functions:
            spot = best_spot(elf.code_at(function, LOOKED_AT))
            assert function + spot.offset in code, hex(function)
            what = code[function + spot.offset]
            before = [code[at] for at in range(function, function + spot.offset) if at in code]
            assert all(_HARMLESS.match(line) for line in before), (hex(function), before)
            assert not any(re.search(r",%[re]?(di|si|dx|cx|sp)$", x) for x in before if "test" not in x)
            assert bool(_EMULATED.match(what)) >= spot.emulated, (hex(function), what)
            cheap += spot.emulated
    assert cheap > len(functions) / 2


@pytest.mark.parametrize(
    ("code", "offset", "emulated"),
    [
        ("f30f1efa55", 4, True),  # endbr64; push
        ("4885ff0f84bf000000", 3, True),  # test rdi, rdi; je
        ("4989f84157", 0, False),  # mov r8, rdi: an argument; push
        ("4989fa4157", 3, True),  # mov r10, rdi; push
        ("4883ec1850", 0, False),  # sub rsp: the stack; push
        ("f30f1efa4883ec08", 4, False),  # never on endbr64
        ("31d255", 0, False),  # xor edx, edx: an argument
        ("31c055", 2, True),  # xor eax, eax; push
        ("", 0, False),
    ],
)
def test_spots(code: str, offset: int, emulated: bool) -> None:
    """Of beginnings of functions as compilers make them."""
    spot = best_spot(bytes.fromhex(code))
    assert (spot.offset, spot.emulated) == (offset, emulated)
