"""A TCP server inside a namespace or container: answers, and logs each connection once it is over.

    python -m tests.beds.server LOG PORT,PORT,… [separate|dual]

``dual`` takes IPv4 on sockets of IPv6, as many programs do. It prints "ready" and ends with its standard input.
"""

import contextlib
import os
import selectors
import socket
import sys
import threading

from tests.beds.wire import DEADLINE_SECONDS, HEADER, Log, ends, receive


def listeners(ports: list[int], dual: bool) -> list[socket.socket]:
    """For both families on all ports."""
    made = [
        socket.create_server(("::", port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=dual)
        for port in ports
    ]
    if not dual:
        made += [socket.create_server(("0.0.0.0", port), backlog=1024) for port in ports]
    return made


def serve(sock: socket.socket, log: Log) -> None:
    """All rounds of one connection, then its line in the log."""
    sock.settimeout(DEADLINE_SECONDS)
    names, identity, received, sent = ends(sock), 0, 0, 0
    with sock:
        while header := receive(sock, HEADER.size):
            identity, up, down = HEADER.unpack(header)
            received += len(header) + len(receive(sock, up - HEADER.size))
            sock.sendall(bytes(down))
            sent += down
    log.write(id=identity, rx_bytes=received, tx_bytes=sent, **names)


def main(path: str, ports: str, families: str = "separate") -> None:
    """Serve until the standard input ends."""
    log = Log(path)
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for listener in listeners([int(port) for port in ports.split(",")], families == "dual"):
            selector.register(stack.enter_context(listener), selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if not isinstance(key.fileobj, socket.socket):
                    os._exit(0)
                sock, _ = key.fileobj.accept()
                threading.Thread(target=serve, args=(sock, log), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
