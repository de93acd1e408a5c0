"""TLS that is there and cannot be read: told, so that nobody takes silence for the absence of requests."""

from typing import Final

from probes.kernel.elf import Elf
from probes.userspace.code import strings
from probes.userspace.finding import Finder, Finding

#: Libraries by the beginning of their names.
_BY_NAME: Final = (
    ("libjvm.so", "Java", "its TLS is compiled while it runs"),
    ("libgnutls.so", "GnuTLS", "no probes for it"),
    ("libssl3.so", "NSS", "no probes for it"),
)
#: Names of source files that stay in a program without symbols.
_BY_TEXT: Final = (
    (b"ssl/ssl_lib.c", "OpenSSL", "linked into a program whose symbols were stripped"),
    (b"rustls/src/conn.rs", "rustls", "no probes for it"),
)


def by_name(name: str) -> Finding | None:
    """What a file of this name is, if it is TLS that is not seen."""
    base = name.rpartition("/")[2]
    return next((Finding(what, reason=why) for begin, what, why in _BY_NAME if base.startswith(begin)), None)


def _by_text(elf: Elf) -> Finding | None:
    for text, what, why in _BY_TEXT:
        if strings(elf, text):
            return Finding(what, "by the names of its sources", reason=why)
    return None


UNSEEN: Final = Finder("TLS", _by_text, least_bytes=1 << 20)
