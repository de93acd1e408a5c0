"""Finds the functions of a BoringSSL that is linked into a program and stripped.

Functions of ssl_lib.cc raise errors by their file and a number (BoringSSL: include/openssl/ssl.h, SSL_R_…): which of
them a function raises tells which function it is. A function is known when it is the only one that fits.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

from probes.kernel.elf import Elf, ElfError
from probes.userspace.code import Code, strings

#: The file that the functions are in, as errors name it.
SOURCE: Final = b"ssl/ssl_lib.cc"
#: Errors by their numbers.
_NOT_CALLED_SO, _BAD_LENGTH, _NO_TYPE, _HANDSHAKE_FAILED, _UNINITIALIZED = 66, 111, 134, 215, 226
#: `mov edx, number`: a function call's third argument.
_REASON: Final = re.compile(rb"\xba(...)\x00", re.DOTALL)
#: The number stands this near to the file's name.
_NEAR: Final = 40
_MOST_REASON: Final = 2000


@dataclass(frozen=True)
class BoringSsl:
    """Addresses of its functions.

    :param read: `SSL_read`.
    :param write: `SSL_write`.
    :param handshakes: `SSL_do_handshake`, and what it was made part of: their first argument is the connection.
    """

    read: int
    write: int
    handshakes: tuple[int, ...]


def has_boringssl(elf: Elf) -> bool:
    """Whether the file has the names of its sources."""
    return bool(strings(elf, SOURCE))


def find_boringssl(elf: Elf) -> BoringSsl:
    """The functions of a file that has BoringSSL in it.

    :raises ElfError: if there is not exactly one candidate for each.
    """
    code = Code(elf)
    raised = _reasons(elf, code)
    read = _read(raised, code)
    wanted = {_NOT_CALLED_SO, _BAD_LENGTH, _HANDSHAKE_FAILED, _UNINITIALIZED}
    write = _one("SSL_write", [at for at, reasons in raised.items() if wanted <= reasons])
    handshakes = tuple(at for at, reasons in raised.items() if reasons == {_NO_TYPE})
    if not handshakes:
        raise ElfError("BoringSSL: no candidate for SSL_do_handshake")
    return BoringSsl(read, write, handshakes)


def _reasons(elf: Elf, code: Code) -> dict[int, set[int]]:
    """By function, the errors that it raises."""
    found: dict[int, set[int]] = {}
    places = sorted(at for ats in code.references(strings(elf, SOURCE)).values() for at in ats)
    for at in places:
        near = elf.code_at(at - _NEAR, 2 * _NEAR)
        numbers = {struct.unpack("<I", match[1] + b"\0")[0] for match in _REASON.finditer(near)}
        found.setdefault(code.function_at(at), set()).update(n for n in numbers if n < _MOST_REASON)
    return found


def _read(raised: dict[int, set[int]], code: Code) -> int:
    """SSL_read and SSL_peek refuse QUIC and call the same function; SSL_read does more afterwards."""
    inner = _one(
        "what SSL_read calls",
        [
            at
            for at, reasons in raised.items()
            if {_UNINITIALIZED, _HANDSHAKE_FAILED} <= reasons and _NOT_CALLED_SO not in reasons
        ],
    )
    refusing = {at: set(code.calls(at)) for at, reasons in raised.items() if reasons == {_NOT_CALLED_SO}}
    calling = {at: called for at, called in refusing.items() if inner in called or called & refusing.keys()}
    return _one(
        "SSL_read",
        [at for at in calling if all(calling[at] > other for it, other in calling.items() if it != at)],
    )


def _one(name: str, found: list[int]) -> int:
    if len(found) != 1:
        raise ElfError(f"BoringSSL: {len(found) or 'no'} candidates for {name}")
    return found[0]
