"""The kind: connections of MPTCP, whose application holds another socket than those that TCP knows, its subflows."""

import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from model.kinds.delta import Evidence, Role
from tests.field.mptcp_network import MptcpNetwork, has_mptcp
from tests.field.services import IPPROTO_MPTCP, Sockets, child, connected, listener
from tests.kernel.loopback import DEADLINE_SECONDS, Seen, until
from tests.kernel.started import Probes

#: An option of connections, and where their number stands in what it returns (kernel: include/uapi/linux/mptcp.h).
SOL_MPTCP, MPTCP_INFO, TOKEN_AT = 284, 1, 12
UP, DOWN = 3_000_000, 1_000

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not has_mptcp(), reason="this kernel has no MPTCP, or it is switched off"),
]

Ports = tuple[int, int]


@contextmanager
def probed() -> Iterator[Probes]:
    """A probe from start to close."""
    probe = Probes(1024, 1 << 20)
    probe.start()
    try:
        yield probe
    finally:
        probe.close()


@pytest.fixture(scope="module")
def probe() -> Iterator[Probes]:
    """One probe for the tests that need none from before."""
    with probed() as started:
        yield started


def token(connection: socket.socket) -> int:
    """What the kernel calls a connection; 0 for one of TCP."""
    try:
        info = connection.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)
    except OSError:
        return 0
    (number,) = struct.unpack_from("=I", info, TOKEN_AT)
    return int(number)


@dataclass(frozen=True)
class Served:
    """A process that listens with MPTCP, and what it told of the one connection that it has accepted."""

    pid: int
    port: int
    told: Connection

    def hear(self) -> object:
        """The next that it tells."""
        assert self.told.poll(DEADLINE_SECONDS)
        return self.told.recv()


def _serve(told: Connection, address: str) -> None:
    """Tells port and token of its one connection, answers each ``UP`` bytes with ``DOWN``, tells how many came."""
    listening = listener(address, 0, protocol=IPPROTO_MPTCP)
    told.send(listening.getsockname()[1])
    connection, _ = listening.accept()
    told.send(token(connection))
    while count := _read(connection):
        told.send(count)
        connection.sendall(b"x" * DOWN)
    connection.close()
    signal.pause()


def _read(connection: socket.socket) -> int:
    """Up to ``UP`` bytes, as many as come before the end."""
    count = 0
    while count < UP and (data := connection.recv(1 << 16)):
        count += len(data)
    return count


def _here(action: Callable[[], None]) -> None:
    action()


@contextmanager
def served(
    address: str = "127.0.0.1", within: Callable[[Callable[[], None]], None] = _here
) -> Iterator[Served]:
    """Such a process; ``within`` runs what it is given, perhaps in another namespace."""

    def work(told: Connection) -> None:
        within(lambda: _serve(told, address))

    with child(work) as (pid, told):
        assert told.poll(DEADLINE_SECONDS)
        yield Served(pid, told.recv(), told)


def exchange(client: socket.socket, server: Served) -> None:
    """``UP`` bytes there, ``DOWN`` back, and the server's own count of what came."""
    client.sendall(b"x" * UP)
    assert server.hear() == UP
    assert len(client.recv(DOWN, socket.MSG_WAITALL)) == DOWN


def called(network: MptcpNetwork, server: Served) -> socket.socket:
    """A client of that server, at the client's side of the network."""
    return network.at_client(lambda: connected(network.server_address, server.port, IPPROTO_MPTCP))


def both(sockets: Sockets, ports: Ports) -> tuple[np.void, np.void]:
    """What is said of the client's and of the server's socket; ``ports``: the client's, the server's."""
    keys = (int(Role.CLIENT), *ports), (int(Role.SERVER), *ports[::-1])
    assert until(lambda: all(key in sockets.look() for key in keys)), sockets.look()
    return sockets.look()[keys[0]], sockets.look()[keys[1]]


@pytest.mark.parametrize("before", [True, False], ids=["before_the_start", "after"])
@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, IPPROTO_MPTCP], ids=["fallback", "mptcp"])
def test_a_connection_to_an_mptcp_listener_has_two_ends(protocol: int, *, before: bool) -> None:
    """Each end has its role, its owner and the connection's number: of MPTCP, or none where the client speaks TCP."""
    with ExitStack() as stack:
        if not before:
            probe = stack.enter_context(probed())
        server = stack.enter_context(served())
        if before:
            probe = stack.enter_context(probed())
        client = stack.enter_context(connected("127.0.0.1", server.port, protocol))
        ports = client.getsockname()[1], server.port
        theirs = server.hear()
        exchange(client, server)
        sockets = Sockets(probe)
        asked, answered = both(sockets, ports)
        assert asked["mptcp_token"] == token(client)
        assert answered["mptcp_token"] == theirs
        assert (token(client) != 0) == (protocol == IPPROTO_MPTCP) == (theirs != 0)
        assert asked["owner"]["tgid"] == os.getpid()
        assert answered["owner"]["tgid"] == server.pid


def test_a_connection_of_before_the_start_is_known() -> None:
    """Also where the listener is gone: roles, owners, and to which connection the sockets belong."""
    with listener("127.0.0.1", 0, protocol=IPPROTO_MPTCP) as listening:
        port = listening.getsockname()[1]
        client = connected("127.0.0.1", port, IPPROTO_MPTCP)
        server, _ = listening.accept()
    with client, server, probed() as later:
        asked, answered = both(Sockets(later), (client.getsockname()[1], port))
        for end, held in ((asked, client), (answered, server)):
            assert end["mptcp_token"] == token(held)
            assert end["owner"]["tgid"] == os.getpid()
            assert end["evidence"] == Evidence.ADOPTED


def test_a_client_that_falls_back_to_tcp_has_no_number(probe: Probes) -> None:
    """The client asks for MPTCP, the server speaks TCP."""
    with listener("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        client = connected("127.0.0.1", port, IPPROTO_MPTCP)
        with client:
            ends = both(Sockets(probe), (client.getsockname()[1], port))
    assert [int(end["mptcp_token"]) for end in ends] == [0, 0]


def test_a_short_connection_tells_its_number_at_its_end(probe: Probes) -> None:
    """No snapshot is taken while it lives."""
    seen = Seen(probe)
    with listener("127.0.0.1", 0, protocol=IPPROTO_MPTCP) as listening:
        port = listening.getsockname()[1]
        client = connected("127.0.0.1", port, IPPROTO_MPTCP)
        server, _ = listening.accept()
        truth = {int(Role.CLIENT): token(client), int(Role.SERVER): token(server)}
        client.close()
        assert server.recv(1) == b""
        server.close()
        ends = seen.await_ends(port, 2)["socket"]
    assert {int(end["role"]): int(end["mptcp_token"]) for end in ends} == truth


def _worker(told: Connection, act: Callable[[socket.socket], None]) -> None:
    """Listens, and leaves what comes to a child, which does something with it, and closes it, when it is told so."""
    listening = listener("127.0.0.1", 0, protocol=IPPROTO_MPTCP)
    go_on, tell = os.pipe()
    if worker := os.fork():
        told.send((worker, listening.getsockname()[1], tell))
        os.waitpid(worker, 0)
        os._exit(0)
    connection, _ = listening.accept()
    for name, deed in (("accepted", act), ("done", socket.socket.close)):
        told.send(name)
        os.read(go_on, 1)
        deed(connection)
    signal.pause()


def read(connection: socket.socket) -> None:
    """Waits for a byte."""
    connection.recv(1)


def write(connection: socket.socket) -> None:
    """Speaks first."""
    connection.sendall(b"x")


def close_unread(connection: socket.socket) -> None:
    """Neither reads nor writes."""
    connection.close()


@pytest.mark.parametrize("act", [read, write, close_unread])
def test_the_worker_that_takes_a_connection_owns_its_subflow(
    probe: Probes, act: Callable[[socket.socket], None]
) -> None:
    """It accepted from the listener of its parent; which has it says its first read, write or close."""
    sockets, seen = Sockets(probe), Seen(probe)
    watch_messages(sockets)
    with child(lambda told: _worker(told, act)) as (master, told):
        assert told.poll(DEADLINE_SECONDS)
        worker, port, tell = told.recv()
        go_on = Path(f"/proc/{master}/fd/{tell}")
        try:
            with connected("127.0.0.1", port, IPPROTO_MPTCP) as client:
                peer = client.getsockname()[1]
                assert told.recv() == "accepted"
                _, answered = both(sockets, (peer, port))
                assert answered["owner"]["tgid"] == master
                client.sendall(b"x")
                go_on.write_bytes(b"x")
                assert told.recv() == "done"
                if act is not close_unread:
                    sockets.await_owner(Role.SERVER, (port, peer), worker)
                go_on.write_bytes(b"x")
            ends = seen.await_ends(port, 2)["socket"]
            (end,) = ends[ends["role"] == Role.SERVER]
            assert end["owner"]["tgid"] == worker
            assert end["evidence"] == Evidence.ACCEPTED
        finally:
            os.kill(worker, signal.SIGKILL)


def watch_messages(sockets: Sockets) -> None:
    """Reads and writes may be watched from the first connection of MPTCP on, which this is, and a snapshot later."""
    with listener("127.0.0.1", 0, protocol=IPPROTO_MPTCP) as listening:
        client = connected("127.0.0.1", listening.getsockname()[1], IPPROTO_MPTCP)
        with client:
            sockets.look()


@pytest.fixture
def network() -> Iterator[MptcpNetwork]:
    """Two namespaces with two links between them."""
    with MptcpNetwork() as made:
        yield made


def counted_alike(sockets: Sockets, network: MptcpNetwork, ports: Ports) -> bool:
    """Whether both ends of a subflow have the bytes that its kernel says; an acknowledgement may be under way."""
    sockets.look()
    ours = sockets.counters[int(Role.CLIENT), *ports]
    theirs = sockets.counters[int(Role.SERVER), *ports[::-1]]
    truth = network.subflows(ports[1])[ports[0]]
    moved = truth.acked - 1, truth.received
    return moved == (ours["tx_bytes"], ours["rx_bytes"]) == (theirs["rx_bytes"], theirs["tx_bytes"])


def join(network: MptcpNetwork, client: socket.socket, server: Served) -> None:
    """Waits until there are two subflows: a kernel adds one once data has shown that the peer keeps to MPTCP."""
    exchange(client, server)
    assert until(lambda: len(network.subflows(server.port)) == 2)


def test_subflows_that_join_belong_to_their_connection(probe: Probes, network: MptcpNetwork) -> None:
    """Two subflows of one connection have its owners, at both ends its number, and each its own bytes."""
    sockets = Sockets(probe)
    with served(network.server_address, network.at_server) as server, called(network, server) as client:
        numbers = {Role.CLIENT: token(client), Role.SERVER: server.hear()}
        join(network, client, server)
        exchange(client, server)
        for port in network.subflows(server.port):
            for end in both(sockets, (port, server.port)):
                assert end["owner"]["tgid"] == (os.getpid() if end["role"] == Role.CLIENT else server.pid)
                assert end["mptcp_token"] == numbers[Role(int(end["role"]))]
        for port in network.subflows(server.port):
            ports = port, server.port
            assert until(partial(counted_alike, sockets, network, ports))
        moved = [
            int(cell["tx_bytes"]) for (role, *_), cell in sockets.counters.items() if role == Role.CLIENT
        ]
        assert sum(moved) >= 2 * UP


def test_a_subflow_ends_before_its_connection(probe: Probes, network: MptcpNetwork) -> None:
    """The client's kernel closes the one from its second address; the other goes on, and no byte is missing."""
    seen = Seen(probe)
    with served(network.server_address, network.at_server) as server:
        with called(network, server) as client:
            numbers = {token(client), server.hear()}
            join(network, client, server)
            open_ones = network.subflows(server.port)
            (joined,) = (port for port, one in open_ones.items() if one.address == network.addresses[1])
            network.forget_second_address()
            ends = seen.await_ends(server.port, 2)["socket"]
            ports = {(int(end["local_port"]), int(end["peer_port"])) for end in ends}
            assert ports == {(joined, server.port), (server.port, joined)}
            exchange(client, server)
        ends = seen.await_ends(server.port, 4)
    servers, clients = (ends[ends["socket"]["role"] == role] for role in (Role.SERVER, Role.CLIENT))
    received = dict(
        zip(servers["socket"]["peer_port"].tolist(), servers["counters"]["rx_bytes"].tolist(), strict=True)
    )
    sent = dict(
        zip(clients["socket"]["local_port"].tolist(), clients["counters"]["tx_bytes"].tolist(), strict=True)
    )
    assert received == sent
    assert sum(sent.values()) >= 2 * UP  # more where a byte asked again whether there is room
    assert {int(number) for number in ends["socket"]["mptcp_token"]} == numbers
    assert set(servers["socket"]["owner"]["tgid"].tolist()) == {server.pid}


def test_subflows_of_before_the_start_are_all_known(network: MptcpNetwork) -> None:
    """Of a connection that was there with two subflows."""
    with served(network.server_address, network.at_server) as server, called(network, server) as client:
        numbers = {Role.CLIENT: token(client), Role.SERVER: server.hear()}
        join(network, client, server)
        with probed() as later:
            sockets = Sockets(later)
            for port in network.subflows(server.port):
                for end in both(sockets, (port, server.port)):
                    assert end["mptcp_token"] == numbers[Role(int(end["role"]))]
                    assert end["evidence"] == Evidence.ADOPTED
                    assert end["owner"]["tgid"] == (os.getpid() if end["role"] == Role.CLIENT else server.pid)
