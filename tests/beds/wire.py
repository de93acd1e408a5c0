"""What clients and servers of a bed say to each other, and how they write down what they did.

A connection is one or more rounds: a header, bytes up, bytes down. The id in the header is the same in all rounds
and is logged by both ends: it joins them without any address.
"""

import json
import socket
import struct
import threading
from pathlib import Path
from typing import Any, Final

#: id of the connection, bytes up (header included), bytes down.
HEADER: Final = struct.Struct("!QII")
DEADLINE_SECONDS: Final = 60.0


def ends(sock: socket.socket) -> dict[str, str | int]:
    """The addresses and ports of both ends as this socket has them; IPv4 never as mapped IPv6."""
    local, peer = sock.getsockname(), sock.getpeername()
    return {
        "local_address": local[0].removeprefix("::ffff:"),
        "local_port": local[1],
        "peer_address": peer[0].removeprefix("::ffff:"),
        "peer_port": peer[1],
    }


def receive(sock: socket.socket, count: int) -> bytes:
    """Exactly ``count`` bytes; fewer only at the end of the stream."""
    parts = bytearray()
    while len(parts) < count and (part := sock.recv(count - len(parts))):
        parts += part
    return bytes(parts)


class Log:
    """A JSON-lines file; a line is whole once it is there."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("a", buffering=1)  # noqa: SIM115 - open as long as the process
        self._lock = threading.Lock()

    def write(self, **what: Any) -> None:
        """Append a line."""
        line = json.dumps(what) + "\n"
        with self._lock:
            self._file.write(line)
