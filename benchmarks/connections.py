"""Connections whose both ends report, through NAT or not: their delta rows, and what conntrack says of them."""

from typing import Final

import numpy as np

from model.arrays import Columns
from model.clock import SECOND_NS
from model.kinds.delta import DELTA, RESOLVED, Role, State
from probes.kernel.layout import enums, structs

FIRST_WINDOW: Final = 1_700_000_000
#: Rows of both ends stand in no order, as sockets do in slots.
_SEED: Final = 20
_SERVERS: Final = 97
_SERVICES: Final = 7
_PORT, _SERVICE_PORT = 8080, 80
_KIND: Final = enums("conntrack")["conntrack_event"]


def addresses(network: int, numbers: np.ndarray) -> np.ndarray:
    """``10.NETWORK.x.y`` as columns have it; shape (n,)."""
    octets = np.zeros((len(numbers), 16), np.uint8)
    octets[:, 10:12], octets[:, 12], octets[:, 13] = 0xFF, 10, network
    octets[:, 14], octets[:, 15] = numbers >> 8, numbers & 0xFF
    return octets.view("V16").ravel()


class Connections:
    """``count`` connections at a time from many clients to a service; every generation has tuples of its own.

    :param rewritten: whether conntrack turns the service's address into that of one of its servers.
    """

    def __init__(self, count: int, *, rewritten: bool) -> None:
        self._numbers = np.arange(count)
        self._rewritten = rewritten
        self._places = np.random.default_rng(_SEED).permutation(2 * count)

    def _tuple(self, generation: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Addresses of clients, their ports, addresses of services and of servers."""
        clients = addresses(100 + generation % 100, self._numbers >> 14)
        ports = (1024 + (self._numbers & 0x3FFF)).astype(np.uint16)
        services = addresses(96, self._numbers % _SERVICES)
        return clients, ports, services, addresses(1, self._numbers % _SERVERS)

    def entries(self, generation: int = 0, window: int = FIRST_WINDOW, *, gone: bool = False) -> np.ndarray:
        """What conntrack says when the connections begin, or end (``gone``); ``struct nat_event``."""
        clients, ports, services, servers = self._tuple(generation)
        events = np.zeros(len(self._numbers), structs("conntrack")["nat_event"])
        events["header"]["kind"] = _KIND["KIND_NAT_DELETED" if gone else "KIND_NAT_NEW"]
        events["header"]["at_ns"] = window * SECOND_NS + (SECOND_NS // 2 if gone else 0)
        original, reply = events["original"], events["reply"]
        original["source_address"] = reply["destination_address"] = clients
        original["source_port"] = reply["destination_port"] = ports
        original["destination_address"], original["destination_port"] = services, _SERVICE_PORT
        reply["source_address"], reply["source_port"] = servers, _PORT
        events["netns"], events["family"], events["protocol"] = 1, 4, 6
        return events

    def ends(self, generation: int = 0, window: int = FIRST_WINDOW, *, short: bool = False) -> Columns:
        """Delta rows of both ends as the socket table gives them.

        :param short: the connections were opened and closed in this window.
        """
        clients, ports, services, servers = self._tuple(generation)
        count = len(clients)
        columns = {name: col for name, col in DELTA.empty(2 * count).items() if name not in RESOLVED}
        near, far = slice(count), slice(count, None)
        called = (services, _SERVICE_PORT) if self._rewritten else (servers, _PORT)
        for mine, role, local, peer in (
            (near, Role.CLIENT, (clients, ports), called),
            (far, Role.SERVER, (servers, _PORT), (clients, ports)),
        ):
            columns["connection.role"][mine] = role
            for name, (address, port) in (("local", local), ("peer", peer)):
                columns[f"network.{name}.address"][mine] = address
                columns[f"network.{name}.port"][mine] = port
        columns = {name: column.take(self._places) for name, column in columns.items()}
        _live(columns, generation, window, short=short)
        return columns


def _live(columns: Columns, generation: int, window: int, *, short: bool) -> None:
    """What is the same for all: they move some bytes, and are all open or all over."""
    columns["socket.slot"][:] = np.arange(len(columns["socket.slot"]))
    columns["socket.generation"][:] = 1 + generation
    columns["entity.index"] = np.zeros(len(columns["socket.slot"]), np.uint32)
    columns["network.type"][:], columns["netns.id"][:] = 4, 1
    columns["connection.state"][:] = State.CLOSE if short else State.ESTABLISHED
    columns["connection.opened_at_ns"][:] = window * SECOND_NS + 1000
    for name in ("tx_bytes", "rx_bytes", "tx_bytes_total", "rx_bytes_total"):
        columns[name][:] = 1000
    for name in ("connection.opened", "connection.closed"):
        columns[name][:] = short
    columns["connection.closed_at_ns"][:] = short * (window * SECOND_NS + 2_000_000)
