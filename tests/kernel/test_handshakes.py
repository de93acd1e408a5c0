"""TLS handshakes as the kernel reads them, against what a real server logs, at both ends."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.recording.file import Recording
from tests.certificates import Authority
from tests.declared import EVENT_TYPES
from tests.kernel import handshake_traffic as traffic
from tests.kernel.handshake_traffic import Agreed, Nginx
from tests.kernel.loopback import until

pytestmark = pytest.mark.kernel

START_SECONDS = 120
SETTLE_SECONDS = 30

TAILRACE = str(Path(sys.executable).parent / "tailrace")
Row = dict[str, Any]


class Watched(NamedTuple):
    """What a running Tailrace writes, and a TLS server; ``before`` is a connection of before the start."""

    recording: Path
    rows: Path
    server: Nginx
    before: ssl.SSLSocket
    authority: Authority


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """All rows of flows and deltas; it has begun."""
    folder = tmp_path_factory.mktemp("handshakes")
    recording, file, settings = (folder / name for name in ("recording.tlr", "rows.jsonl", "tailrace.yaml"))
    settings.write_text(
        "http: {enabled: on, handshakes: on, tls: off}\nprocess: {executions: off}\nnat: {source: off}\n"
    )
    command = [TAILRACE, "record", str(recording), "--config", str(settings)]
    command += ["--stage", "flows,deltas", "--sink", f"jsonl:{file}"]
    authority = Authority(folder / "authority")
    with traffic.nginx(folder / "nginx", authority.signed("shop.example")) as server:
        before = traffic.context().wrap_socket(socket.create_connection(("127.0.0.1", server.port)))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert until(
                lambda: process.poll() is not None or (recording.exists() and recording.stat().st_size > 0),
                START_SECONDS,
            )
            assert process.poll() is None, process.communicate()[1]
            yield Watched(recording, file, server, before, authority)
        finally:
            before.close()
            process.kill()
            process.communicate()


def rows(path: Path, kind: str = "flow") -> list[Row]:
    """The whole lines of a file that is being written."""
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def said(row: Row) -> Row:
    """What a row says of TLS."""
    return {name: value for name, value in row.items() if "tls." in name}


def flow(watched: Watched, port: int) -> Row:
    """What rows of the connection from this port say of TLS, once both ends have told of its end."""

    def told() -> list[Row]:
        return [row for row in rows(watched.rows) if row["client.port"] == port]

    def ended() -> bool:
        found = told()
        ends = all(any(row.get(f"{end}.connection.closed") for row in found) for end in ("client", "server"))
        return ends and any(row.get("connection.closed") for row in found)

    assert until(ended, SETTLE_SECONDS)
    return {name: value for row in told() for name, value in said(row).items()}


def test_rows_say_what_the_server_logs(watched: Watched) -> None:
    """Versions, ciphers, names and protocols of curl, OpenSSL's client, and one whose hellos come byte by byte."""
    server, authority = watched.server, watched.authority
    traffic.curl(server.port, authority, "shop.example", "--http1.1")
    traffic.curl(server.port, authority, "two.example", "--http2", "--tls-max", "1.2")
    traffic.curl(
        server.port,
        authority,
        "a" * 60 + ".example",
        "--ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "--tls-max",
        "1.2",
    )
    traffic.s_client(server.port, "-tls1_3", "-noservername", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
    traffic.s_client(server.port, "-tls1_2", "-servername", "s.example", "-alpn", "http/1.1")
    traffic.in_pieces(server.port, "pieces.example", 1)
    traffic.in_pieces(server.port, "more.example", 100)
    agreed = server.agreed()
    assert len(agreed) == 7
    assert {each.version for each in agreed.values()} == {"1.2", "1.3"}
    for port, expected in agreed.items():
        row = flow(watched, port)
        assert [row.pop(f"{end}.tls.visibility") for end in ("client", "server")] == ["encrypted"] * 2
        offered = row.get("tls.client.offered_protocols", "")
        assert expected.protocol in offered.split(",")
        chosen = expected.protocol if expected.version == "1.2" else ""  # from 1.3 on it is encrypted
        assert _agreed(row) == expected._replace(protocol=chosen)


def _agreed(row: Row) -> Agreed:
    names = ("tls.protocol.version", "tls.cipher", "tls.client.server_name", "tls.next_protocol")
    return Agreed(*(row.get(name, "") for name in names))


def test_both_ends_say_the_same(watched: Watched) -> None:
    """Each end reads both hellos by itself."""
    port, _ = traffic.in_pieces(watched.server.port, "ends.example", 7)
    expected = flow(watched, port)
    assert expected["tls.client.server_name"] == "ends.example"
    deltas = [
        row
        for row in rows(watched.rows, "delta")
        if port in (row["network.local.port"], row["network.peer.port"])
    ]
    for side in ("client", "server"):
        (last,) = [row for row in deltas if row["connection.role"] == side and row.get("connection.closed")]
        ours = {name: value for name, value in said(last).items() if name != "tls.visibility"}
        assert ours == {name: value for name, value in expected.items() if "visibility" not in name}


def test_a_hello_of_any_size_is_read(watched: Watched) -> None:
    """The server's name stands behind what is as large as the keys of post-quantum exchanges, and larger."""
    ports = []
    for size in (1400, 8000):
        hello = traffic.padded(traffic.greeting("large.example"), size)
        with socket.create_connection(("127.0.0.1", watched.server.port)) as peer:
            ports.append(peer.getsockname()[1])
            for part in (hello[:1000], hello[1000:]):
                peer.sendall(part)
            assert peer.recv(1 << 16)[:3] == b"\x16\x03\x03"
    for port in ports:
        row = flow(watched, port)
        assert (row["tls.client.server_name"], row["tls.protocol.version"]) == ("large.example", "1.3")


def test_a_refused_handshake_has_the_clients_part(watched: Watched) -> None:
    """Nobody chose a version."""
    old = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-servername", "old.example")
    traffic.s_client(watched.server.port, *old)

    def found() -> list[Row]:
        return [row for row in rows(watched.rows) if row.get("tls.client.server_name") == "old.example"]

    assert until(lambda: bool(found()), SETTLE_SECONDS)
    assert said(found()[-1]) == {
        "tls.client.server_name": "old.example",
        "client.tls.visibility": "encrypted",
        "server.tls.visibility": "encrypted",
    }


def test_a_connection_of_before_the_start_is_encrypted(watched: Watched) -> None:
    """What its hellos said is not known, and not guessed."""
    port = watched.before.getsockname()[1]
    watched.before.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert b"hello" in watched.before.recv(1 << 16) + watched.before.recv(1 << 16)
    watched.before.close()
    assert flow(watched, port) == {"client.tls.visibility": "encrypted", "server.tls.visibility": "encrypted"}


def test_what_is_no_tls_says_nothing_of_it(watched: Watched) -> None:
    """Also where its first bytes look alike."""
    beginnings = (b"GET / HTTP/1.0\r\n\r\n", b"\x16", b"\x16\x03", b"\x16\x04\x01\x02\x03\x04\x05", b"\x17")
    for port in [_talk(first, b"plain text") for first in beginnings]:
        assert flow(watched, port) == {}


def _talk(*parts: bytes) -> int:
    """Sends these to a server that answers with the same; returns the client's port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_answer, args=(server,))
        answering.start()
        with socket.create_connection(server.getsockname()) as peer:
            port: int = peer.getsockname()[1]
            for part in parts:
                peer.sendall(part)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(100):
                pass
        answering.join()
    return port


def _answer(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        while data := peer.recv(100):
            peer.sendall(data)


def test_nothing_but_what_rows_say_leaves_the_kernel(watched: Watched) -> None:
    """Random, session and key share of a hello are in no recording, its name is; and the counts are balanced."""
    port, hello = traffic.in_pieces(watched.server.port, "secret.example", 50)
    flow(watched, port)
    secret = hello[11:43]
    with contextlib.closing(Recording(watched.recording, EVENT_TYPES)) as recording:
        frames = [frame.data for frame in recording.frames()]
    assert any(b"secret.example" in frame for frame in frames)
    assert not any(secret[:8] in frame or hello[44:52] in frame for frame in frames)
    stages = [row["stages"] for row in rows(watched.rows, "ledger")]
    counts = stages[-1]["handshakes"]
    assert counts["received"] == counts["delivered"] + counts["queued"] + sum(counts["dropped"].values())
    assert counts["delivered"] > 10
    assert counts["noted"]["unanswered"] == 2
    assert counts["noted"]["joined"] >= 2
