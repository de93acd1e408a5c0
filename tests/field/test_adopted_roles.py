"""The kind: connections of before the start whose listening socket is gone: who called is known all the same."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from model.kinds.delta import Role
from tests.field.services import Sockets, connected, listener
from tests.kernel.loopback import until
from tests.kernel.started import Probes

pytestmark = pytest.mark.kernel


@pytest.fixture
def probe() -> Iterator[Probes]:
    """One that is not started yet."""
    probe = Probes(1024, 1 << 20)
    yield probe
    probe.close()


@pytest.mark.parametrize("closing_half", [False, True], ids=["open", "half_closed"])
@pytest.mark.parametrize(("up", "down"), [(5, 5), (5, 0), (0, 5), (0, 0)])
@pytest.mark.parametrize("port", [2121, 61111])
def test_each_end_knows_who_called(
    probe: Probes, port: int, up: int, down: int, *, closing_half: bool
) -> None:
    """Whatever was sent each way before, whichever port is higher, and also behind a shutdown of the client."""
    with ExitStack() as stack:
        with closing(listener("127.0.0.1", port)) as listening:
            client = stack.enter_context(connected("127.0.0.1", port))
            server, (_, peer) = listening.accept()
            stack.enter_context(server)
        for sender, receiver, count in ((client, server, up), (server, client, down)):
            sender.sendall(b"x" * count)
            assert len(receiver.recv(count)) == count
        if closing_half:
            client.shutdown(1)
            assert server.recv(1) == b""
        probe.start()
        sockets = Sockets(probe)
        mine = {(port, peer), (peer, port)}

        def roles() -> set[tuple[int, int, int]]:
            return {key for key in sockets.look() if key[1:] in mine}

        assert until(lambda: len(roles()) == 2)
        assert roles() == {(Role.SERVER, port, peer), (Role.CLIENT, peer, port)}
