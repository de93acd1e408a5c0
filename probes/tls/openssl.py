"""Finds where OpenSSL's plain text can be read in a file with its symbols: libssl.so, or a program it is linked into.

Sources: the manual pages SSL_read(3), SSL_write(3). `SSL_read` and `SSL_read_ex` share a function that no one
else can call (1.1.1, 3.x), and so do the functions that write.
"""

from typing import Final

from probes.kernel.elf import Elf, ElfError
from probes.userspace.code import X86_64, Code
from probes.userspace.finding import Finding, Target

#: A program, the name of a function, its address.
Call = tuple[str, str, int]

_EARLY: Final = "SSL_write_early_data"
#: Functions that are looked for.
NAMES: Final = (
    *("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex", "SSL_write_ex2"),
    _EARLY,
    *("SSL_do_handshake", "SSL_connect", "SSL_accept", "SSL_free"),
)
_HANDSHAKES: Final = ("SSL_do_handshake", "SSL_connect", "SSL_accept")
#: The program at the return of each call.
DONE: Final = "tls_done"
_ENDS: Final = ("SSL_free",)  # not SSL_clear: each handshake begins with it


def has_openssl(elf: Elf) -> bool:
    """Whether the file has functions of OpenSSL, or of a library that looks like it."""
    return len(elf.addresses(("SSL_read", "SSL_write"))) == 2


def find_openssl(elf: Elf) -> Finding | None:
    """What a file has of OpenSSL.

    :raises ElfError: if a function that is needed is not there.
    """
    if not has_openssl(elf):
        return None
    known = elf.addresses(NAMES)
    if missing := {"SSL_read", "SSL_write", "SSL_do_handshake"} - known.keys():
        raise ElfError(f"no function {' and no '.join(sorted(missing))}")
    ends = [Target("tls_end", name, known[name]) for name in _ENDS if name in known]
    calls: list[Call] = [("tls_handshake", name, known[name]) for name in _HANDSHAKES if name in known]
    calls += _reads(elf, known) + _writes(elf, known)
    calls += [("tls_write_early", _EARLY, known[_EARLY])] if _EARLY in known else []
    return Finding("OpenSSL", "by its symbols", (*ends, *(Target(*call, returns=DONE) for call in calls)))


def _reads(elf: Elf, known: dict[str, int]) -> list[Call]:
    shared = _shared(elf, known, "SSL_read", "SSL_read_ex")
    if shared:
        return [("tls_read_ex", "what SSL_read calls", shared)]
    return _exported(known, "SSL_read", "SSL_read_ex")


def _writes(elf: Elf, known: dict[str, int]) -> list[Call]:
    """From 3.3 on there is `SSL_write_ex2`, with flags as its fourth argument; the shared function has them, too."""
    flags = "SSL_write_ex2" in known
    shared = _shared(elf, known, "SSL_write", "SSL_write_ex2" if flags else "SSL_write_ex")
    if not shared:
        return _exported(known, "SSL_write", "SSL_write_ex", "SSL_write_ex2")
    if not flags:
        return [("tls_write_ex", "what SSL_write calls", shared)]
    # where SSL_write_ex calls the same, the inner one of two calls counts
    return [("tls_write_ex2", "what SSL_write calls", shared), *_exported(known, "SSL_write_ex")]


def _exported(known: dict[str, int], *names: str) -> list[Call]:
    return [(f"tls_{name.removeprefix('SSL_')}", name, known[name]) for name in names if name in known]


def _shared(elf: Elf, known: dict[str, int], plain: str, extended: str) -> int:
    """The one function that the extended form calls, if the plain one calls it too; 0 if it was made part of them."""
    if elf.machine != X86_64 or extended not in known:
        return 0
    try:
        code = Code(elf)
        called = code.calls(known[extended])
        return called[0] if len(called) == 1 and called[0] in code.calls(known[plain]) else 0
    except ElfError:  # without a table of its functions
        return 0
