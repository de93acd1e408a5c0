"""A TCP client inside a namespace or container: makes connections as told, and logs each once it is over.

    python -m tests.beds.client LOG

It reads orders from its standard input, one JSON object on a line, answers each with "done", and ends with it:
``{"scene", "address", "port", "count", "hold"}`` makes connections; those to hold stay open after their first round
until ``{"release": true}``, when they have a last round and end; ``{"again": true}`` is a round in between.
"""

import json
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

from tests.beds.wire import DEADLINE_SECONDS, HEADER, Log, ends, receive

#: Bytes of a round are different for each connection, and below these.
UP_BYTES: Final = 4000
DOWN_BYTES: Final = 9000


@dataclass
class Call:
    """A connection that is open."""

    scene: str
    called: tuple[str, int]
    sock: socket.socket
    connect_ns: int
    id: int = field(default_factory=lambda: int.from_bytes(os.urandom(8)) | 1)
    sent: int = 0
    received: int = 0

    def round(self) -> None:
        """Say something, and hear the answer to its end."""
        up, down = HEADER.size + self.id % UP_BYTES, self.id // UP_BYTES % DOWN_BYTES
        self.sock.sendall(HEADER.pack(self.id, up, down) + bytes(up - HEADER.size))
        self.sent += up
        self.received += len(receive(self.sock, down))

    def end(self, log: Log) -> None:
        """Close first, and write down how it was."""
        names = ends(self.sock)
        self.sock.close()
        address, port = self.called
        log.write(
            id=self.id,
            scene=self.scene,
            called_address=address,
            called_port=port,
            tx_bytes=self.sent,
            rx_bytes=self.received,
            connect_ns=self.connect_ns,
            **names,
        )


def call(scene: str, address: str, port: int) -> Call:
    """A new connection after its first round."""
    begin = time.monotonic_ns()
    sock = socket.create_connection((address, port), timeout=DEADLINE_SECONDS)
    made = Call(scene, (address, port), sock, time.monotonic_ns() - begin)
    made.round()
    return made


def make(order: dict[str, Any], log: Log) -> list[Call]:
    """Connections one after the other; those that stay open."""
    held = []
    for _ in range(order["count"]):
        made = call(order["scene"], order["address"], order["port"])
        if order["hold"]:
            held.append(made)
        else:
            made.end(log)
    return held


def main(path: str) -> None:
    """Do as told until the standard input ends."""
    log = Log(path)
    held: list[Call] = []
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("again"):
            for made in held:
                made.round()
        elif order.get("release"):
            while held:
                held[0].round()
                held.pop(0).end(log)
        else:
            held += make(order, log)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
