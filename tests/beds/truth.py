"""What really happened: the logs of clients and servers, joined by the id that each connection carried."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from tests.beds.processes import Client, Server

LOG_SECONDS: Final = 60.0
Line = dict[str, Any]


class Ends(NamedTuple):
    """A connection as one socket has it, from the client to the server."""

    source: str
    source_port: int
    destination: str
    destination_port: int

    def __repr__(self) -> str:
        """As tools of the network write it."""
        return f"{self.source}:{self.source_port}>{self.destination}:{self.destination_port}"


class Exchange(NamedTuple):
    """One connection.

    :param client: as the client's own socket has it: its address, and the one that it called.
    :param server: as the socket of the server that took it has it: who seems to call, and its own address.
    """

    scene: str
    client: Ends
    server: Ends
    up_bytes: int
    down_bytes: int
    connect_ns: int


def join(clients: Iterable[Line], servers: Iterable[Line]) -> list[Exchange]:
    """The connections of all clients.

    :raises ValueError: if the two sides do not tell of the same connections and bytes.
    """
    called, taken = list(clients), list(servers)
    answers = {line["id"]: line for line in taken}
    if sorted(answers) != sorted(line["id"] for line in called) or len(answers) != len(taken):
        raise ValueError(f"{len(called)} connections were made, {len(taken)} were taken")
    return [_exchange(line, answers[line["id"]]) for line in called]


def _exchange(client: Line, server: Line) -> Exchange:
    up, down = client["tx_bytes"], client["rx_bytes"]
    if (up, down) != (server["rx_bytes"], server["tx_bytes"]):
        raise ValueError(f"bytes differ: {client} {server}")
    if (client["called_address"], client["called_port"]) != (client["peer_address"], client["peer_port"]):
        raise ValueError(f"a client's socket has another peer than was called: {client}")
    here = Ends(*(client[name] for name in ("local_address", "local_port", "peer_address", "peer_port")))
    there = Ends(*(server[name] for name in ("peer_address", "peer_port", "local_address", "local_port")))
    return Exchange(client["scene"], here, there, up, down, client["connect_ns"])


def gather(clients: Sequence[Client], servers: Sequence[Server]) -> list[Exchange]:
    """The truth, once the servers have seen the end of everything that the clients made.

    :raises ValueError: if they never do.
    """
    called = [line for client in clients for line in client.lines()]
    deadline = time.monotonic() + LOG_SECONDS
    while sum(len(server.lines()) for server in servers) < len(called) and time.monotonic() < deadline:
        time.sleep(0.01)
    return join(called, [line for server in servers for line in server.lines()])
