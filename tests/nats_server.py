"""A real nats-server for tests: started on a free port, killed and started again on the same store."""

import functools
import shutil
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.ports import free_port

#: Why tests with a server cannot run; empty if they can.
REASON_TO_SKIP = (
    "" if shutil.which("nats-server") else "nats-server is not installed: apt-get install nats-server"
)


class NatsServer:
    """A server with JetStream and a store of its own, which survives ``kill`` and ends with ``remove``.

    Whatever becomes of a test: it ends, and its store is removed, when nobody has this object any more.

    :param arguments: further arguments of nats-server.
    """

    def __init__(self, *arguments: str, jetstream: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tailrace-nats-"))
        self.port = free_port()
        self._jetstream = jetstream
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._end: Callable[[], object] = lambda: None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"

    def url(self, log: str = "", query: str = "") -> str:
        """A broker URL."""
        return f"nats://{self.address}/{log}{'?' if query else ''}{query}"

    def start(self) -> Self:
        """Start it and wait until it is ready.

        :raises RuntimeError: if it ends, or is not ready in time.
        """
        log = self.folder / "log"
        command = ["nats-server", "-a", "127.0.0.1", "-p", str(self.port)]
        if self._jetstream:
            command += ["-js", "-sd", str(self.folder / "store")]
        with log.open("wb") as output:
            self._process = subprocess.Popen([*command, *self._arguments], stdout=output, stderr=output)
        self._end = weakref.finalize(self, _killed, self._process)
        until = time.monotonic() + 120
        while b"Server is ready" not in log.read_bytes():
            if time.monotonic() > until or self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"nats-server did not start: {log.read_text()}")
            time.sleep(0.01)
        return self

    def signal(self, number: int) -> None:
        """Send a signal to the server."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would; what it stored stays."""
        if self._process is not None:
            self._end()
            self._process = None

    def replace(self) -> None:
        """Kill it and start another one in its place, whose store is empty."""
        self.kill()
        shutil.rmtree(self.folder / "store")
        self.start()

    def remember(self) -> None:
        """Note what is stored; only while it does not run."""
        shutil.copytree(self.folder / "store", self.folder / "before")

    def go_back(self) -> None:
        """Kill it and start it with what it had when ``remember`` was called, as after a power failure."""
        self.kill()
        shutil.rmtree(self.folder / "store")
        (self.folder / "before").rename(self.folder / "store")
        self.start()

    def remove(self) -> None:
        """End it and remove its store."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _killed(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


@functools.cache
def shared_server() -> NatsServer:
    """The server of this test process for all tests that leave it alive; ``pytest`` removes it at the end."""
    return NatsServer().start()


def remove_shared_server() -> None:
    """Remove the shared server if there is one."""
    if shared_server.cache_info().currsize:
        shared_server().remove()
        shared_server.cache_clear()


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A server of the test's own, which it may kill."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    server = NatsServer()
    try:
        yield server.start()
    finally:
        server.remove()
