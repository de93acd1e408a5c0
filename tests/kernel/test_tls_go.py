"""Requests in TLS to a real Go server without symbols: nats-server, whose monitoring is HTTPS."""

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.kernel.loopback import until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("reading_tls")]

START_SECONDS = 120
SETTLE_SECONDS = 30
TAILRACE = str(Path(sys.executable).parent / "tailrace")
_SERVER = """
listen: 127.0.0.1:-1
https: 127.0.0.1:{port}
tls {{ cert_file: "{certificate}", key_file: "{key}" }}
"""


def test_a_go_server_counts_what_it_was_asked(tmp_path: Path) -> None:
    """Each request once, with its path and status, on connections of several requests."""
    authority = Authority(tmp_path / "authority")
    signed = authority.signed("localhost")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "nats.conf").write_text(
        _SERVER.format(port=port, certificate=signed.certificate, key=signed.key)
    )
    server = subprocess.Popen(["/usr/sbin/nats-server", "-c", tmp_path / "nats.conf", "-l", tmp_path / "log"])
    recording, rows = tmp_path / "recording.tlr", tmp_path / "rows.jsonl"
    settings = tmp_path / "tailrace.yaml"
    settings.write_text("http: {enabled: on, tls: on}\nprocess: {executions: off}\nnat: {source: off}\n")
    command = [TAILRACE, "record", str(recording), "--config", str(settings), "--stage", "requests,flows"]
    watching = subprocess.Popen([*command, "--sink", f"jsonl:{rows}"], stderr=subprocess.PIPE, text=True)
    try:
        assert until(
            lambda: watching.poll() is not None or (recording.exists() and recording.stat().st_size > 0),
            START_SECONDS,
        )
        assert watching.poll() is None
        assert until(lambda: _decrypted(rows, port, authority), SETTLE_SECONDS)
        for _ in range(5):
            _ask(authority, port, "/varz", "/connz", "/routez")
        expected = Counter({(path, 200): 5 for path in ("/varz", "/connz", "/routez")})
        assert until(lambda: _answered(rows, port) == expected, SETTLE_SECONDS), _answered(rows, port)
    finally:
        for process in (watching, server):
            process.terminate()
            process.wait()


def _ask(authority: Authority, port: int, *paths: str) -> None:
    there = ["--cacert", str(authority.ca), "--resolve", f"localhost:{port}:127.0.0.1", "--http1.1", "-sS"]
    for path in paths:
        there += [f"https://localhost:{port}{path}", "-o", "/dev/null"]
    subprocess.run(["curl", *there], check=True, capture_output=True)


def _decrypted(rows: Path, port: int, authority: Authority) -> bool:
    """Whether the program was found: it is looked for while Tailrace runs."""
    _ask(authority, port, "/healthz")
    time.sleep(0.2)
    return any(
        row["server.port"] == port and row.get("server.tls.visibility") == "decrypted"
        for row in _of(rows, "flow")
    )


def _of(rows: Path, kind: str) -> list[dict[str, object]]:
    text = rows.read_text() if rows.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def _answered(rows: Path, port: int) -> Counter[tuple[str, int]]:
    """What the server's end counted, but for what was asked until it was found."""
    counts: Counter[tuple[str, int]] = Counter()
    for row in _of(rows, "request"):
        if row["server.port"] == port and row.get("http.route") != "/healthz":
            counts[str(row.get("http.route")), int(str(row["http.response.status_code"]))] += int(
                str(row.get("server.requests", 0))
            )
    return counts
