"""What healthy traffic looks like: no rows, whatever the kernel frees meanwhile."""

import socket
import threading

import pytest

from tests.kernel.drops.bed import SERVER_ADDRESS, SETTLE_SECONDS, Watched, opened
from tests.kernel.loopback import until
from tests.kernel.nat_network import CLIENT, SERVER

pytestmark = pytest.mark.kernel

CONNECTIONS, BYTES = 300, 200_000
PORT = 2801


def _serve(listener: socket.socket) -> None:
    """Answers each connection with so many bytes, and closes it first or last in turn."""
    for number in range(CONNECTIONS):
        there, _ = listener.accept()
        with there:
            there.recv(100)
            there.sendall(bytes(BYTES if number % 10 == 0 else 500))
            if number % 2:
                there.shutdown(socket.SHUT_WR)
                there.recv(1)


def _ask(network: Watched) -> None:
    with opened(network.network, CLIENT, socket.SOCK_STREAM) as caller:
        caller.connect((SERVER_ADDRESS, PORT))
        caller.sendall(b"x" * 100)
        while caller.recv(65536):
            pass


def test_connections_that_fare_well_have_no_rows(dropping: Watched) -> None:
    with opened(dropping.network, SERVER, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", PORT))
        listener.listen(200)
        serving = threading.Thread(target=_serve, args=(listener,))
        serving.start()
        for _ in range(CONNECTIONS):
            _ask(dropping)
        serving.join()

    def closed() -> int:
        rows = [row for row in dropping.told("flow") if row["server.port"] == PORT]
        return sum(bool(row.get("connection.closed")) for row in rows)

    assert until(lambda: closed() == CONNECTIONS, SETTLE_SECONDS)
    noise = dropping.drops(destination__port=PORT) + dropping.drops(source__port=PORT)
    assert noise == []
    noted = dropping.told("ledger")[-1]["stages"]["drops"]["noted"]
    assert noted["noise"] > 0
