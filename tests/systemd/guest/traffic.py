"""Known traffic in the guest, and the rows that were made of it."""

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.systemd.guest.unit import until


def talk(size: int, *, address: str = "127.0.0.9") -> int:
    """One connection on which the client sends ``size`` bytes, and waits until they were read; the server's port."""
    with socket.create_server((address, 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            client.sendall(b"x" * size)
            while size:
                size -= len(accepted.recv(65536))
            return int(server.getsockname()[1])


def strange() -> None:
    """A connection of a process that nobody was asked about before."""
    code = "import socket as s; a = s.create_server(('127.0.0.9', 0)); s.create_connection(a.getsockname())"
    subprocess.run(["python3", "-c", code], check=True)


@contextlib.contextmanager
def chatting(address: str = "127.0.0.9") -> Iterator[int]:
    """A connection that sends something all the time; its server's port."""
    ending = threading.Event()
    with socket.create_server((address, 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()

        def chat() -> None:
            while not ending.wait(0.02):
                client.sendall(b"x" * 100)
                accepted.recv(1000)

        thread = threading.Thread(target=chat)
        with client, accepted:
            thread.start()
            try:
                yield int(server.getsockname()[1])
            finally:
                ending.set()
                thread.join()


@contextlib.contextmanager
def calling(address: str, port: int) -> Iterator[None]:
    """A client that waits for an answer of an address that nobody has, in a network namespace of its own."""
    for command in (
        "netns add away",
        "-n away link add near type veth peer name far",
        "-n away link set near up",
        "-n away link set far up",
        "-n away address add 192.0.2.1/24 dev near",
        f"-n away neighbour add {address} lladdr 02:00:00:00:00:09 dev near",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    code = f"import socket; socket.create_connection(('{address}', {port}))"
    client = subprocess.Popen(["ip", "netns", "exec", "away", "python3", "-c", code])
    try:
        yield
    finally:
        client.kill()
        client.wait()
        subprocess.run(["ip", "netns", "del", "away"], check=True)


def rows(path: str, port: int) -> list[dict[str, Any]]:
    """The flows of a file that lead to a port; a line that is being written counts later."""
    file = Path(path)
    text = file.read_text() if file.exists() else ""
    found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [row for row in found if row.get("server.port") == port]


def sent(path: str, port: int) -> int:
    """Bytes that the client sent, as the rows have it."""
    return sum(row.get("client.tx_bytes") or 0 for row in rows(path, port))


def reported(path: str, port: int, size: int) -> int:
    """Waits until all bytes are reported; how many that are."""
    until(lambda: sent(path, port) >= size, f"{size} bytes to port {port} in {path}")
    time.sleep(1.5)  # what came twice would come in the next second
    return sent(path, port)
