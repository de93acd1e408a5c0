"""The TLS libraries that are looked for."""

from typing import Final

from probes.kernel.elf import Elf
from probes.tls.boringssl import find_boringssl, has_boringssl
from probes.tls.golang import find_go
from probes.tls.openssl import DONE, find_openssl, has_openssl
from probes.userspace.finding import Finder, Finding, Target


def boringssl(elf: Elf) -> Finding | None:
    """What a file has of a BoringSSL without symbols.

    :raises ElfError: if it has one whose functions are not known for sure.
    """
    if has_openssl(elf) or not has_boringssl(elf):
        return None
    found = find_boringssl(elf)
    calls = [("tls_read", "SSL_read", found.read), ("tls_write", "SSL_write", found.write)]
    calls += [("tls_handshake", "SSL_do_handshake", at) for at in found.handshakes]
    targets = tuple(Target(*call, returns=DONE) for call in calls)
    return Finding("BoringSSL", "by the errors that its functions raise", targets)


FINDERS: Final = (
    Finder("OpenSSL", find_openssl),
    Finder("BoringSSL", boringssl, least_bytes=1 << 20),
    Finder("Go crypto/tls", find_go, least_bytes=1 << 20),
)
