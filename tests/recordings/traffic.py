"""Traffic whose bytes are known: run in a network namespace of its own, told when to begin.

Every connection sends ``UP + n`` bytes to the server and ``DOWN + n`` back, n being its number.
"""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

UP: Final = 100
DOWN: Final = 10_000
SHORT: Final = 200
REFUSED: Final = 10
RESET: Final = 5
LONG: Final = 12
ADOPTED: Final = 4
ROUNDS: Final = 12
PAUSE_SECONDS: Final = 0.25

Pair = tuple[socket.socket, socket.socket]


def listen(address: str) -> socket.socket:
    """A listener on a port of the kernel's choice."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family)


def pair(listener: socket.socket) -> Pair:
    """A connection: the client's end, the server's."""
    client = socket.create_connection(listener.getsockname()[:2])
    return client, listener.accept()[0]


def move(ends: Pair, up: int, down: int) -> None:
    """So many bytes each way, few enough for the sockets' buffers; all of them arrive and are acknowledged."""
    client, server = ends
    for sender, receiver, count in ((client, server, up), (server, client, down)):
        sender.sendall(bytes(count))
        assert len(receiver.recv(count, socket.MSG_WAITALL)) == count


def close(ends: Pair, *, reset: bool = False) -> None:
    """The client ends it, with a FIN or a RST."""
    client, server = ends
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    with contextlib.suppress(ConnectionResetError):
        assert server.recv(1) == b""
    server.close()


def short() -> None:
    """Connections shorter than a millisecond, IPv4 and IPv6 in turn; refused ones; reset ones."""
    listeners = [listen("127.0.0.1"), listen("::1")]
    for number in range(SHORT + RESET):
        ends = pair(listeners[number % 2])
        move(ends, UP + number, DOWN + number)
        close(ends, reset=number >= SHORT)
    for _ in range(REFUSED):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 1))


def long(listener: socket.socket, adopted: list[Pair]) -> None:
    """Connections over three seconds, some of which were open before; each moves its bytes again in every round."""
    connections = [*adopted, *(pair(listener) for _ in range(LONG - len(adopted)))]
    for _ in range(ROUNDS):
        for number, ends in enumerate(connections):
            move(ends, UP + number, DOWN + number)
        time.sleep(PAUSE_SECONDS)  # traffic over several windows is what this is for
    for ends in connections[::2]:
        close(ends)


def main(kind: str) -> None:
    """Prints the inode of its network namespace when it is ready, and begins at a line of input."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    Path("/proc/self/comm").write_text("traffic")
    listener = listen("127.0.0.1")
    adopted = [pair(listener) for _ in range(ADOPTED)] if kind == "long" else []
    print(Path("/proc/self/ns/net").stat().st_ino, flush=True)
    sys.stdin.readline()
    if kind == "long":
        long(listener, adopted)
    else:
        short()


if __name__ == "__main__":
    main(sys.argv[1])
