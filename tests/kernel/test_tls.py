"""Requests in TLS as they are counted at both ends, against what servers log; paths prove that none is another's.

Each connection asks for a path that no other one has.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from tests.beds.processes import read_log
from tests.kernel import tls_traffic
from tests.kernel.loopback import until
from tests.kernel.test_http import Counts, of_port, settled

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("reading_tls")]

START_SECONDS = 120
ATTACH_SECONDS = 60
TAILRACE = str(Path(sys.executable).parent / "tailrace")
SETTINGS = "http: {enabled: on, tls: auto, children: 1000}\nprocess: {executions: off}\nnat: {source: off}\n"
#: Loads a library and says so, then waits for the end of its input.
LOADS = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(flush=True); sys.stdin.read()"


class Watched(NamedTuple):
    """The rows of a running Tailrace, and its process."""

    rows: Path
    pid: int

    def ledger(self) -> dict[str, Any]:
        """The last row of the ledger."""
        stages: dict[str, Any] = [row for row in read_log(self.rows) if row["kind"] == "ledger"][-1]["stages"]
        return stages

    def probed(self, library: Path) -> bool:
        """Whether a file has probes: it is known by what the process holds open for each."""
        return tls_traffic.probed(self.pid, library)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All rows of requests; it has begun."""
    folder = tmp_path_factory.mktemp("tls")
    file, settings = folder / "rows.jsonl", folder / "tailrace.yaml"
    settings.write_text(SETTINGS)
    command = [TAILRACE, "run", "--config", str(settings), "--stage", "requests", "--sink", f"jsonl:{file}"]
    environment = os.environ | {"TAILRACE_STORE_ENABLED": "off"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert until(lambda: process.poll() is not None or bool(read_log(file)), START_SECONDS)
        assert process.poll() is None, process.communicate()[1]
        yield Watched(file, process.pid)
        process.terminate()
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def holding(program: list[str], watched: Watched, file: Path) -> Iterator[int]:
    """A process that keeps a file's probes in place while short ones come and go; they are there."""
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert until(lambda: watched.probed(file), ATTACH_SECONDS)
        yield process.pid
        process.kill()


def test_both_ends_count_what_the_server_logs(watched: Watched, tmp_path: Path) -> None:
    """Of clients that let the library read the socket, and of tasks of one thread that read it themselves."""
    with tls_traffic.nginx(tmp_path) as server:
        libssl = tls_traffic.libssl_of(server.worker)
        assert until(lambda: watched.probed(libssl), ATTACH_SECONDS)
        tls_traffic.python(tls_traffic.SYNCHRONOUS, server.port, "synchronous", 10)
        tls_traffic.python(tls_traffic.ASYNCHRONOUS, server.port, "asynchronous", 10)
        tls_traffic.curl(server.port, ["/curl/one", "/curl/two", "/curl/three"])
        expected = server.answered()
    assert sum(expected.values()) == 163
    for end in ("client", "server"):
        assert settled(watched.rows, server.port, end, expected) == expected


def test_each_connection_has_its_own_requests(watched: Watched, tmp_path: Path) -> None:
    """A row is of one connection: each of eight has one path, and all of its requests."""
    with tls_traffic.nginx(tmp_path) as server:
        assert until(lambda: watched.probed(tls_traffic.libssl_of(server.worker)), ATTACH_SECONDS)
        for program in (tls_traffic.SYNCHRONOUS, tls_traffic.ASYNCHRONOUS):
            tls_traffic.python(program, server.port, "own", 20)
        expected = server.answered()
    assert settled(watched.rows, server.port, "client", expected) == expected
    paths: dict[int, Counter[str]] = {}
    for row in of_port(watched.rows, server.port):
        for end in ("client", "server"):
            paths.setdefault(row["client.port"], Counter())[row["http.route"]] += row.get(
                f"{end}.requests", 0
            )
    assert len(paths) == 16
    assert all(len(counts) == 1 and counts.total() == 40 for counts in paths.values()), paths


def test_http_2_in_tls_is_counted(watched: Watched, tmp_path: Path) -> None:
    """As it is in the clear."""
    with tls_traffic.nginx(tmp_path) as server:
        assert until(lambda: watched.probed(tls_traffic.libssl_of(server.worker)), ATTACH_SECONDS)
        for number in range(5):
            tls_traffic.curl(server.port, [f"/second/{letter}" for letter in "abcdefgh"[number:]], "--http2")
        expected = server.answered()
    assert expected.total() == 8 + 7 + 6 + 5 + 4
    for end in ("client", "server"):
        assert settled(watched.rows, server.port, end, expected) == expected
    versions = {row["network.protocol.version"] for row in of_port(watched.rows, server.port)}
    assert versions == {"2"}


def test_data_of_0_rtt_is_counted_once(watched: Watched, tmp_path: Path) -> None:
    """It leaves before the handshake is over, by a function that calls those of other handshakes and writes."""
    with tls_traffic.nginx(tmp_path) as server:
        assert until(lambda: watched.probed(tls_traffic.libssl_of(server.worker)), ATTACH_SECONDS)
        accepted = tls_traffic.early(tmp_path, server.port, ["/early/one", "/early/two"])
        expected = server.answered()
    assert (accepted, expected.total()) == (2, 5)
    for end in ("client", "server"):
        assert settled(watched.rows, server.port, end, expected) == expected


def test_a_library_that_is_linked_into_a_program_is_seen(watched: Watched, tmp_path: Path) -> None:
    """Node's: server and clients in one process and one thread, which read and write sockets themselves."""
    node = tls_traffic.node_program()
    with holding([str(node), "-e", "process.stdin.resume()"], watched, node):
        port, answered = tls_traffic.node(tmp_path, "node", 10)
    expected: Counts = Counter({("GET", path, 200): count for path, count in answered.items()})
    assert len(expected) == 8
    for end in ("client", "server"):
        assert settled(watched.rows, port, end, expected) == expected


def test_a_library_below_another_root_is_seen(watched: Watched, tmp_path: Path) -> None:
    """As those of containers: an overlay in which the library is another file."""
    with tls_traffic.nginx(tmp_path) as server, tls_traffic.other_root() as root:
        inside = root.command(["/usr/bin/python3", "-c", "import ssl, sys; sys.stdin.read()"])
        with subprocess.Popen(inside, stdin=subprocess.PIPE) as process:
            assert until(lambda: watched.probed(root.folder / "root"), ATTACH_SECONDS)
            asks = [tls_traffic.SYNCHRONOUS, str(server.port), "inside", "10"]
            subprocess.run(root.command(["/usr/bin/python3", "-c", *asks]), check=True, timeout=60)
            expected = server.answered()
            process.kill()
    assert expected.total() == 80
    assert settled(watched.rows, server.port, "client", expected) == expected


def test_boringssl_without_symbols_is_seen(watched: Watched, tmp_path: Path) -> None:
    """That of gRPC, which reads and writes sockets itself."""
    (library,) = Path(grpc.__file__).parent.glob("_cython/cygrpc*.so")
    certificate, key = map(str, tls_traffic.certificate(tmp_path))
    command = [sys.executable, "-c", tls_traffic.GRPC_SERVER, certificate, key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = int(server.stdout.readline())
        assert until(lambda: watched.probed(library), ATTACH_SECONDS)
        asks = [sys.executable, "-c", tls_traffic.GRPC_CLIENT, str(port), certificate]
        subprocess.run(asks, check=True, timeout=60)
        expected = Counter({("POST", "/shop.Cart/Get", 200): 100})
        for end in ("client", "server"):
            assert settled(watched.rows, port, end, expected) == expected
        server.kill()
    assert {row["rpc.grpc.status_code"] for row in of_port(watched.rows, port)} == {0}


def test_openssl_1_1_is_seen(watched: Watched, tmp_path: Path) -> None:
    """Also what is read by the other form of its functions; what is only peeked at is not counted twice."""
    library = tls_traffic.openssl_of_before()
    program = tls_traffic.with_library(library, LOADS)
    with tls_traffic.nginx(tmp_path) as server, holding(program, watched, library):
        asks = tls_traffic.with_library(library, tls_traffic.BY_PATH, str(server.port), "before", "10")
        subprocess.run(asks, check=True, timeout=60)
        expected = server.answered()
    assert expected.total() == 80
    assert settled(watched.rows, server.port, "client", expected) == expected


def test_a_file_is_left_with_its_last_process(watched: Watched, tmp_path: Path) -> None:
    """Though it was deleted while it was in use."""
    library = Path(shutil.copy(tls_traffic.libssl_of(os.getpid()), tmp_path / "libssl-for-a-while.so"))
    with subprocess.Popen([sys.executable, "-c", LOADS, str(library)], stdin=subprocess.PIPE) as process:
        assert until(lambda: watched.probed(library), ATTACH_SECONDS)
        library.unlink()
        process.kill()
    assert until(lambda: not watched.probed(library), ATTACH_SECONDS)


def test_nothing_was_lost(watched: Watched) -> None:
    """Of the text that libraries read and wrote, all was of a socket that was known."""
    assert until(lambda: "tls" in watched.ledger(), ATTACH_SECONDS)
    stage = watched.ledger()["tls"]
    assert stage["received"] > 0
    assert stage["balanced"]
    assert "mismatched" not in stage["noted"]
