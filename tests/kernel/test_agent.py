"""``tailrace agent`` with a real kernel and a real server: a restart counts nothing twice."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from model.batch import Batch
from tests.integration.test_roles import Adding, engine
from tests.kernel.test_run import DEADLINE, TAILRACE
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel


class Ports(Adding):
    """Adds up only what one port sent, by boot."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.sent: dict[str, int] = {}

    async def write(self, batch: Batch) -> None:
        """Adds up."""
        mine = batch.columns["network.local.port"] == self.port
        if mine.any():
            sent = int(batch.columns["tx_bytes"][mine].sum())
            self.sent[batch.boot] = self.sent.get(batch.boot, 0) + sent
        self.changed.notify()


@contextlib.contextmanager
def agent_process(url: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [TAILRACE, "agent", "--nats", url], env=os.environ | {"TAILRACE_LOG_LEVEL": "error"}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            yield client, accepted


class Traffic:
    """One connection and what was sent on it."""

    def __init__(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pair = pair
        self.sent = 0

    def send(self, size: int) -> None:
        self.sent += size
        self._pair[0].sendall(bytes(size))
        while size:
            size -= len(self._pair[1].recv(size))

    async def until_reported(self, sink: Ports, boots: int) -> None:
        """A byte now and then until so many agents have reported the connection."""
        async with asyncio.timeout(DEADLINE):
            while len(sink.sent) < boots:
                self.send(1)
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restarted_agent_adopts_and_counts_nothing_twice(nats_server: NatsServer, end: int) -> None:
    """Bytes under the first agent and under the second are reported once, each under its own start; what was sent
    before it adopted the connection is not the second one's."""
    url = nats_server.url(query="partitions=2")
    with connection() as pair:
        traffic, sink = Traffic(pair), Ports(pair[0].getsockname()[1])
        async with running(engine(url, sink)):
            with agent_process(url) as first:
                await traffic.until_reported(sink, 1)
                traffic.send(1_000)
                await sink.until(lambda: sum(sink.sent.values()) >= 1_000)
                first.send_signal(end)
                assert first.wait(DEADLINE) == (0 if end == signal.SIGTERM else -signal.SIGKILL)
            traffic.send(50_000)
            with agent_process(url):
                await traffic.until_reported(sink, 2)
                traffic.send(2_000)
                await sink.until(lambda: min(sink.sent.values()) >= 1_000)
    old, new = sink.sent.values()
    assert 1_000 <= old < 2_000
    assert 2_000 <= new < 3_000


async def test_a_second_agent_of_a_node_name_ends(nats_server: NatsServer) -> None:
    """Exit code 1 and one line that says where the first one is; that one goes on."""
    url, sink = nats_server.url(query="partitions=2"), Adding()
    async with running(engine(url, sink)):
        with agent_process(url) as first:
            await sink.until(lambda: sink.rows > 0)
            second = await asyncio.to_thread(
                subprocess.run,
                [TAILRACE, "agent", "--nats", url],
                env=os.environ | {"TAILRACE_LOG_LEVEL": "error"},
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
            assert first.poll() is None
    assert (second.returncode, second.stdout, second.stderr.count("\n")) == (1, "", 1)
    assert second.stderr.startswith(f"tailrace: another agent publishes as node {socket.gethostname()}: ")
    assert f"process {first.pid} on host {socket.gethostname()}: stop that one, or give" in second.stderr
