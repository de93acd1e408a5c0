"""Requests of HTTP/2 as they are counted at both ends, against the log of a real nginx."""

import contextlib
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from tests.beds.processes import read_log
from tests.kernel import http2_traffic as traffic
from tests.kernel.http_traffic import SECRET, Nginx, nginx
from tests.kernel.loopback import until
from tests.kernel.test_http import SETTLE_SECONDS, Recorded, folded, of_port, recording_into, settled

pytestmark = pytest.mark.kernel


class Bed(NamedTuple):
    """A server of before the start, and a connection to it."""

    recorded: Recorded
    server: Nginx
    early: traffic.Client


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The connection has had a request when Tailrace begins: its path is in the dynamic tables."""
    with nginx(tmp_path_factory.mktemp("early"), "http2") as server:
        early = traffic.Client(server.port)
        early.ask("/early/known")
        early.wait()
        with recording_into(tmp_path_factory.mktemp("http2")) as recorded:
            yield Bed(recorded, server, early)


def test_what_was_in_a_table_before_the_start_is_unknown(bed: Bed) -> None:
    """What is new on the connection is known, and the status, which is in the static table."""
    for _ in range(3):
        bed.early.ask("/early/known")
        bed.early.wait()
    for _ in range(2):
        bed.early.ask("/early/later")
        bed.early.wait()
    bed.early.close()
    wanted = Counter({("GET", "", 200): 3, ("GET", "/early/later", 200): 2})
    for end in ("client", "server"):
        assert settled(bed.recorded.rows, bed.server.port, end, wanted) == wanted


def test_both_ends_count_what_the_server_logs(bed: Bed, tmp_path: Path) -> None:
    """Whatever the pieces; paths of their own prove that no connection gets another's request."""
    with nginx(tmp_path / "nginx", "http2") as server:
        paths = traffic.odd_pieces(server.port)
        traffic.at_once(server.port)
        traffic.nghttp(server.port)
        traffic.h2load(server.port)
        expected = folded(server.answered())
    assert sum(expected.values()) == 6 * 41 + 200 + 30 + 4000
    for end in ("client", "server"):
        assert settled(bed.recorded.rows, server.port, end, expected) == expected
    own = [row for row in of_port(bed.recorded.rows, server.port) if row["http.route"].startswith("/own/")]
    assert {(row["client.port"], row["http.route"]) for row in own} == set(paths.items())
    assert {row["network.protocol.version"] for row in of_port(bed.recorded.rows, server.port)} == {"2"}


def test_rows_say_how_long_it_took_and_how_much_it_was(bed: Bed, tmp_path: Path) -> None:
    """As many latencies as answers; the bytes are those of DATA."""
    with nginx(tmp_path / "nginx", "http2") as server:
        client = traffic.Client(server.port)
        for _ in range(3):
            client.ask("/plain/page")
            client.wait()
            client.ask("/post", "POST", b"x" * 5000)
            client.wait()
        client.close()
        assert until(lambda: sum(row["requests"] for row in of_port(bed.recorded.rows, server.port)) == 6, 30)
    moved: Counter[str] = Counter()
    for row in of_port(bed.recorded.rows, server.port):
        assert row["evidence"] == "both"
        for end in ("client", "server"):
            duration = row[f"http.{end}.request.duration_ns"]
            assert duration["count"] == row[f"{end}.requests"]
            assert 0 < duration["sum"] < 20e9
        moved[row["http.route"]] += row.get("http.request.bytes", 0)
        moved["answers"] += row.get("http.response.bytes", 0)
    assert moved == {"/plain/page": 0, "/post": 3 * 5000, "answers": client.received}


def test_streams_without_an_answer_have_status_0(bed: Bed) -> None:
    """Those that the client cancels, and those that are under way when the connection ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        read = threading.Event()
        serving = threading.Thread(target=_read_only, args=(server, 6, read))
        serving.start()
        client = traffic.Client(port)
        streams = [client.ask(path) for path in ("/cancelled", "/left") for _ in range(3)]
        for stream in streams[:3]:
            client.reset(stream)
        assert read.wait(20)
        client.close()
        serving.join()
    wanted = Counter({("GET", "/cancelled", 0): 3, ("GET", "/left", 0): 3})
    for end in ("client", "server"):
        assert settled(bed.recorded.rows, port, end, wanted) == wanted


def _read_only(server: socket.socket, requests: int, read: threading.Event) -> None:
    """A server that reads requests and answers none, until the client leaves."""
    accepted, _ = server.accept()
    http = H2Connection(H2Configuration(client_side=False))
    http.initiate_connection()
    with accepted:
        while requests:
            requests -= sum(
                isinstance(event, RequestReceived) for event in http.receive_data(accepted.recv(65536))
            )
            accepted.sendall(http.data_to_send())
        read.set()
        with contextlib.suppress(ConnectionResetError):
            while accepted.recv(65536):
                pass


def test_nothing_secret_goes_on(bed: Bed) -> None:
    """Of all that was asked before: not in the recording, the rows, nor in what the program said; losses are none."""
    recorded = bed.recorded
    recorded.process.send_signal(signal.SIGTERM)
    _, said = recorded.process.communicate(timeout=SETTLE_SECONDS)
    assert recorded.process.returncode == 0, said
    for text in (recorded.recording.read_bytes(), recorded.rows.read_bytes(), said.encode()):
        assert SECRET.encode() not in text
    stage = [row for row in read_log(recorded.rows) if row["kind"] == "ledger"][-1]["stages"]["http2"]
    assert stage["dropped"] == {}
    assert stage["balanced"]
    assert stage["noted"]["joined"] >= 2
