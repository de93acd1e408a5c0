"""Servers without room: one that speaks as much of the NATS protocol as a publisher needs, and a ClickHouse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

from tests.http_server import Post, Reply

_INFO = {"server_id": "full", "version": "2.9.10", "max_payload": 1 << 20, "headers": True, "proto": 1}
_STREAM = {
    "config": {"name": "tailrace"},
    "state": {"messages": 0, "bytes": 0, "first_seq": 0, "last_seq": 0, "consumer_count": 0},
    "created": "2026-01-01T00:00:00Z",
}
#: As nats-server passes on what its disk said.
_FULL = {"error": {"code": 503, "err_code": 10077, "description": "write 1.blk: no space left on device"}}


class _Publisher(StreamRequestHandler):
    """One connection: makes the stream if asked, refuses everything else."""

    def handle(self) -> None:
        self._send(f"INFO {json.dumps(_INFO)}")
        sid = ""
        for line in self.rfile:
            verb, *words = line.decode().split()
            if verb == "PING":
                self._send("PONG")
            elif verb == "SUB":
                sid = words[-1]
            elif verb in ("PUB", "HPUB"):
                self.rfile.read(int(words[-1]) + 2)
                self._answer(words[0], words[1], sid)

    def _answer(self, subject: str, inbox: str, sid: str) -> None:
        text = json.dumps(_STREAM if ".STREAM.CREATE." in subject else _FULL)
        self._send(f"MSG {inbox} {sid} {len(text)}\r\n{text}")

    def _send(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def full_server() -> Iterator[str]:
    """The server's URL."""
    with ThreadingTCPServer(("127.0.0.1", 0), _Publisher) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"nats://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def full_clickhouse(post: Post) -> Reply:
    """As a server says it whose disk is full."""
    if "INSERT" in post.path:
        return Reply(
            500, b"Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space (NOT_ENOUGH_SPACE)"
        )
    return Reply(body=b"18.16.1" if b"version()" in post.body else b"")
