"""The kind: a connection whose rewriting is known in parts, seconds apart."""

import socket
import threading
from pathlib import Path

import pytest

from tests.beds.flows import Row
from tests.beds.watch import Watch
from tests.kernel.nat_network import ADDRESSES, CLIENT, ROUTER, SERVER, NatNetwork, nat_network

pytestmark = pytest.mark.kernel

_HERE, _GATE, _, _THERE = ADDRESSES[4]
_SERVICE, _PORT, _BACKEND_PORT = "10.77.9.9", 80, 8080
_BLOCK = f"PREROUTING -t raw -p tcp --dport {_PORT} -j DROP"


def prepare(network: NatNetwork) -> None:
    """The client's own rules send the service's calls to the router, whose rules send them to the server."""
    service = f"-p tcp -d {_SERVICE} --dport {_PORT} -j DNAT --to-destination {_GATE}"
    backend = f"-p tcp -d {_GATE} --dport {_PORT} -j DNAT --to-destination {_THERE}:{_BACKEND_PORT}"
    network.run(CLIENT, f"iptables-legacy -t nat -A OUTPUT {service}")
    network.run(ROUTER, f"iptables-legacy -t nat -A PREROUTING {backend}")


def exchange(network: NatNetwork) -> int:
    """A connection to the service with a byte each way; its client's port."""

    def called() -> int:
        with socket.create_connection((_SERVICE, _PORT), timeout=60) as caller:
            caller.sendall(b"x")
            assert caller.recv(1) == b"y"
            own: int = caller.getsockname()[1]
            return own

    with network.listen(SERVER, "tcp", _THERE, _BACKEND_PORT) as listener:
        ports: list[int] = []
        calling = threading.Thread(target=lambda: ports.append(network.within(CLIENT, called)))
        calling.start()
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1) == b"x"
            accepted.sendall(b"y")
            calling.join()
            assert accepted.recv(1) == b""
    return ports[0]


def hops(row: Row) -> list[str]:
    """What the row says was called, one address after the other."""
    return [f"{hop['destination.address']}:{hop['destination.port']}" for hop in row.get("nat", [])]


def test_a_rewriting_that_is_learnt_later_is_the_connections(tmp_path: Path) -> None:
    """The router drops the SYN for seconds: one flow in the end, with all rewrites, and both ids in one row."""
    with nat_network() as network, Watch.started(tmp_path / "flows.jsonl", [f"{network.prefix}*"]) as watch:
        prepare(network)
        network.run(ROUTER, f"iptables-legacy -I {_BLOCK}")

        def connecting() -> list[Row]:
            return [row for row in watch.told() if row["kind"] == "flow" and len(hops(row)) == 2]

        def release() -> None:
            watch.await_that(lambda: len(connecting()) > 0)
            network.run(ROUTER, f"iptables-legacy -D {_BLOCK}")

        releasing = threading.Thread(target=release)
        releasing.start()
        port = exchange(network)
        releasing.join()
        rows = [row for row in watch.rows() if row["kind"] == "flow" and row["client.port"] == port]
    first, *_, last = rows
    halfway, final = f"{_GATE}:{_PORT}", f"{_THERE}:{_BACKEND_PORT}"
    assert hops(first) == [f"{_SERVICE}:{_PORT}", halfway]
    assert (hops(last), last["evidence"]) == ([f"{_SERVICE}:{_PORT}", halfway, final], "both")
    assert (last["connection.closed"], sum(row.get("connection.opened", 0) for row in rows)) == (True, 1)
    ids = list(dict.fromkeys(row["connection.id"] for row in rows))
    told = [row["connection.previous_id"] for row in rows if "connection.previous_id" in row]
    assert (len(ids), told) == (2, ids[:1])
    assert sum(row.get("client.tx_bytes", 0) for row in rows) == 1
    assert sum(row.get("server.rx_bytes", 0) for row in rows) == 1
    assert len({row["connection.opened_at_ns"] for row in rows if "connection.opened_at_ns" in row}) == 1
