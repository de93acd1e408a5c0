"""The codes of columns as the words people know."""

import errno
import re
from enum import IntEnum
from typing import Final


class Capitals(IntEnum):
    """Codes whose words are written in capitals, as methods of HTTP are."""


def words_of(codes: type[IntEnum]) -> dict[int, str]:
    """Its numbers with their names in lower case, or as they are (``Capitals``)."""
    if issubclass(codes, Capitals):
        return {code.value: code.name for code in codes}
    return {code.value: code.name.lower() for code in codes}


_CONTAINER_ID: Final = re.compile(r"[0-9a-f]{32,}")


def error_name(number: int) -> str:
    """The name of an errno, such as ``ECONNREFUSED``; the number itself if it has none."""
    return errno.errorcode.get(number, str(number))


def cgroup_tail(path: str) -> str:
    """The last part of a cgroup path, container ids cut to twelve digits: ``docker-0123456789ab``."""
    tail = path.rstrip("/").rpartition("/")[2]
    if found := _CONTAINER_ID.search(tail):
        return tail[: found.start()] + found[0][:12]
    return tail


def endpoint_text(address: str, port: int) -> str:
    """``192.0.2.1:80`` or ``[2001:db8::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters; the middle gives way, for the ends tell more."""
    if len(text) <= width:
        return text
    tail = width // 2
    return f"{text[: width - tail - 1]}…{text[len(text) - tail :]}"


def shortened_endpoint(text: str, width: int) -> str:
    """``192.0.2.1:80`` in at most ``width`` characters; the port stays whole where the address must give way."""
    address, colon, port = text.rpartition(":")
    return shortened(address, width - len(port) - 1) + colon + port


def shortened_process(text: str, width: int) -> str:
    """``nginx/1234`` in at most ``width`` characters; the pid stays whole where the name must give way."""
    comm, slash, pid = text.rpartition("/")
    return shortened(comm, max(1, width - len(pid) - 1)) + slash + pid


def printable(text: str) -> str:
    """``text`` (a process may call itself anything) without control characters and escape codes."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
