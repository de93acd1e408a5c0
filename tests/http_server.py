"""An HTTP server in a thread that answers posts as a test says, and keeps what it got."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread
from types import MappingProxyType
from typing import Any, NamedTuple


class Post(NamedTuple):
    """One that came; the body without compression."""

    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """What is answered; status 0: the connection ends without an answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


class HttpServer:
    """What it answers and what came.

    :ivar answer: called with each post, in a thread of its own.
    """

    def __init__(self, answer: Callable[[Post], Reply]) -> None:
        self.answer = answer
        self.posts: list[Post] = []
        self.url = ""

    @contextmanager
    def running(self, port: int = 0, tls: SSLContext | None = None) -> Iterator["HttpServer"]:
        """While the block runs; a port of 0 is any.

        :param tls: its certificate is for ``localhost``.
        """
        owner, stopped = self, list[bool]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if stopped:  # the server is gone, but its connections would live on
                    self.close_connection = True
                    return
                post = Post(self.path, dict(self.headers.items()), body)
                owner.posts.append(post)
                reply = owner.answer(post)
                if not reply.status:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *_: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request: Any, client_address: Any) -> None:
                """In the thread of the connection: a handshake holds up nobody else."""
                if tls:
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that left before its answer is no fault of this server."""

        with Server(("127.0.0.1", port), Handler) as server:
            port = server.server_address[1]
            self.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
            thread = Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                stopped.append(True)
                server.shutdown()
                thread.join()
