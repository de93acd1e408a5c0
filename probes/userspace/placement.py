"""Where in a function a probe costs least: on an instruction that the kernel emulates instead of stepping through it.

Measured on Linux 6.18: 0.6 µs a hit where it is emulated, 6 µs where not. On x86 these are push, jumps, calls, nop
(kernel: arch/x86/kernel/uprobes.c). A probe may stand behind the first instructions as long as these change neither
the stack, for a probe of the return finds the way back there, nor the registers of the arguments.
"""

from dataclasses import dataclass
from typing import Final

#: `endbr64`: begins functions that may be called by a pointer.
_ENDBR: Final = b"\xf3\x0f\x1e\xfa"
#: Registers that hold arguments, and the stack's, by their numbers: rcx, rdx, rsp, rsi, rdi, r8, r9.
_KEPT: Final = frozenset({1, 2, 4, 6, 7, 8, 9})
#: Bytes of a function that are looked at.
LOOKED_AT: Final = 32


@dataclass(frozen=True)
class Spot:
    """A place in a function.

    :param offset: bytes behind its beginning.
    :param emulated: whether the kernel emulates what stands there.
    """

    offset: int
    emulated: bool


def best_spot(code: bytes) -> Spot:
    """The first emulated instruction that a probe can stand on, else the first that is no `endbr64`.

    :param code: the beginning of an x86-64 function.
    """
    begin = len(_ENDBR) if code.startswith(_ENDBR) else 0
    at = begin
    while at < len(code):
        rest = code[at:]
        if _is_emulated(rest):
            return Spot(at, True)
        size = _harmless_bytes(rest)
        if not size:
            break
        at += size
    return Spot(begin, False)


def _is_emulated(code: bytes) -> bool:
    first, second = code[0], code[1] if len(code) > 1 else 0
    if 0x50 <= first <= 0x57 or (first == 0x41 and 0x50 <= second <= 0x57):  # push
        return True
    if first in (0x90, 0xE8, 0xE9, 0xEB) or 0x70 <= first <= 0x7F:  # nop, call, jmp, jumps on conditions
        return True
    return first == 0x0F and 0x80 <= second <= 0x8F


def _harmless_bytes(code: bytes) -> int:
    """Bytes of an instruction from register to register that keeps the stack and the arguments; 0 if it is none."""
    prefix = code[0] if 0x40 <= code[0] <= 0x4F else 0
    body = code[1:] if prefix else code
    if len(body) < 2 or body[1] >> 6 != 3:
        return 0
    operation, target = body[0], (body[1] & 7) | (prefix & 1) << 3
    compares = operation in (0x39, 0x85)  # cmp, test
    changes = operation in (0x31, 0x89)  # xor, mov
    if not compares and not (changes and target not in _KEPT):
        return 0
    return 2 + bool(prefix)
