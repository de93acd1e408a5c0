"""A server of HTTP whose faults are ordered: it answers, refuses, or fails one path.

    python -m tests.beds.fleet_server PORT,PORT,…

It prints "ready", then "done" after each order, a word on a line: ``refuse`` closes its listeners, ``fail /PATH``
answers that path with 503. It ends with its standard input.
"""

import contextlib
import socket
import sys
import threading

#: Connections that the kernel takes for it while it does not come to them.
BACKLOG = 16
ANSWER = b"HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class FleetServer:
    """Listens on some ports."""

    def __init__(self, ports: list[int]) -> None:
        self._failing: set[bytes] = set()
        self._listeners = [socket.create_server(("0.0.0.0", port), backlog=BACKLOG) for port in ports]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def order(self, word: str, path: str = "") -> None:
        """One of those above."""
        if word == "refuse":
            for listener in self._listeners:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
        elif word == "fail":
            self._failing.add(path.encode())

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            head = b""
            while b"\r\n\r\n" not in head:
                part = sock.recv(4096)
                if not part:
                    return
                head += part
            path = head.split(b" ", 2)[1]
            sock.sendall(ANSWER % (b"503 Unavailable" if path in self._failing else b"200 OK"))
            sock.recv(1)


def main(ports: str) -> None:
    """Serve until the standard input ends."""
    server = FleetServer([int(port) for port in ports.split(",")])
    print("ready", flush=True)
    for line in sys.stdin:
        server.order(*line.split())
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
