"""Known HTTP/2 traffic: clients that write and read in odd pieces, many streams at once, nghttp and h2load."""

import base64
import random
import socket
import subprocess
from typing import Any, Final

from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from hpack import Encoder

from tests.kernel.http_traffic import SECRET

#: Fields of each request, in which nothing may be told of.
SECRETS: Final = (
    *((":authority", "localhost"), (":scheme", "http"), ("authorization", f"Bearer {SECRET}")),
    ("proxy-authorization", f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()}"),
    *(("cookie", f"session={SECRET}"), ("x-token", f"{SECRET}-token")),
)
_PIECES: Final = (1, 2, 5, 9, 13, 40, 200, 5000)


class _LegibleEncoder(Encoder):
    """One that leaves Huffman's code to others."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        block: bytes = super().encode(headers, huffman=huffman)
        return block


class Client:
    """A connection of PyPI's h2.

    :param seed: of the pieces in which it writes and reads; None: writes and reads are whole.
    :param legible: texts of header blocks are as they are, without Huffman's code.
    """

    def __init__(self, port: int, seed: int | None = None, *, legible: bool = False) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._chance = random.Random(seed) if seed is not None else None
        self._http = H2Connection()
        if legible:
            self._http.encoder = _LegibleEncoder()
        self._http.initiate_connection()
        self._socket.sendall(self._http.data_to_send())
        self.port: int = self._socket.getsockname()[1]
        #: Statuses of what was asked, by stream.
        self.answered: dict[int, int] = {}
        self._open: set[int] = set()
        #: Bytes of DATA that came.
        self.received = 0

    def ask(self, path: str, method: str = "GET", body: bytes = b"") -> int:
        """Sends one request; returns its stream."""
        stream: int = self._http.get_next_available_stream_id()
        fields = [(":method", method), (":path", path), *SECRETS]
        self._http.send_headers(stream, fields, end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self._open.add(stream)
        self._write()
        return stream

    def reset(self, stream: int) -> None:
        """Cancels one request."""
        self._http.reset_stream(stream, 8)
        self._open.discard(stream)
        self._write()

    def wait(self) -> None:
        """Until all that was asked is answered."""
        while self._open:
            size = self._chance.choice([3, 9, 30, 60000]) if self._chance else 60000
            data = self._socket.recv(size)
            assert data, "the connection ended before its answers"
            for event in self._http.receive_data(data):
                if isinstance(event, ResponseReceived):
                    self.answered[event.stream_id] = int(dict(event.headers)[b":status"])
                elif isinstance(event, DataReceived) and event.flow_controlled_length:
                    self.received += event.flow_controlled_length
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded | StreamReset):
                    self._open.discard(event.stream_id)
            self._write()

    def _write(self) -> None:
        """What is to be sent, in pieces; some writes are of several of them."""
        data = self._http.data_to_send()
        while data:
            cut = self._chance.choice(_PIECES) if self._chance else len(data)
            if self._chance and self._chance.random() < 0.5:
                sent = self._socket.sendmsg([data[:cut], data[cut : cut + 3], data[cut + 3 : cut + 30]])
            else:
                sent = self._socket.send(data[:cut])
            data = data[sent:]

    def close(self) -> None:
        """Says goodbye."""
        self._http.close_connection()
        self._write()
        self._socket.close()


def _word(number: int) -> str:
    """A word without digits for each number."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}")


def odd_pieces(port: int, connections: int = 6, requests: int = 40) -> dict[int, str]:
    """Requests one after the other. Each connection has a path of its own, which is returned by its local port."""
    paths = {}
    for number in range(connections):
        client = Client(port, seed=number)
        own = f"/own/{_word(number)}"
        paths[client.port] = own
        for request in range(requests):
            client.ask((own, f"/plain/{request}/item?token={SECRET}", "/missing", "/err")[request % 4])
            client.wait()
        client.ask("/post", "POST", b"GET /fake HTTP/1.1\r\n\r\n" * 500 + SECRET.encode())
        client.wait()
        client.close()
    return paths


def at_once(port: int, streams: int = 100) -> None:
    """So many streams before the first answer is read, twice."""
    client = Client(port)
    for _ in range(2):
        for number in range(streams):
            client.ask(("/many/one", "/missing", f"/plain/{number}/item")[number % 3])
        client.wait()
    client.close()


def nghttp(port: int) -> None:
    """Frames as few clients send them: padding, CONTINUATION, priorities, other sizes of the tables."""
    base = f"http://127.0.0.1:{port}"
    for number in range(5):
        long = f"x-long: {'a' * 300}{number}"
        odd = ["--padding=40", "--continuation", "-H", long]
        sizes = ["--header-table-size=65536", "--encoder-header-table-size=65536", "-p", "200"]
        for options in (odd, sizes):
            urls = [f"{base}/odd/one?s={number}", f"{base}/missing", f"{base}/odd/two"]
            subprocess.run(["nghttp", "-n", *options, *urls], check=True, capture_output=True, timeout=60)


def h2load(port: int, requests: int = 4000) -> None:
    """32 streams on each of 8 connections."""
    urls = [f"http://127.0.0.1:{port}/{path}" for path in ("load/one", "load/two", "missing")]
    command = ["h2load", "-n", str(requests), "-c", "8", "-m", "32", *urls]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def secrets(port: int, public: str) -> None:
    """Requests with a secret wherever one can be, legible, and a public word in each path; bodies."""
    client = Client(port, legible=True)
    for place in (f"/{public}?token={SECRET}", f"/{public}/{SECRET}", f"/{public}/{SECRET}/item"):
        for method in ("GET", "DELETE"):
            client.ask(place, method)
            client.wait()
    for body in (b"", f"password={SECRET}&".encode() * 100):
        client.ask(f"/post/{public}", "POST", body)
        client.wait()
    client.ask(f"/{public}/last")
    client.wait()
    client.close()


def curl_with_secrets(port: int, public: str) -> None:
    """The same by curl, in TLS; no secret is in its arguments."""
    place = f"https://127.0.0.1:{port}/{public}"
    options = [
        *("silent", "insecure", "http2", f'user = "user:{SECRET}"', f'cookie = "session={SECRET}"'),
        *(f'header = "X-Token: {SECRET}"', f'data = "password={SECRET}"'),
        *(f'url = "{place}{rest}"' for rest in (f"?token={SECRET}", f"/{SECRET}/item", "/last")),
    ]
    asks = "\n".join(options).encode()
    command = ["curl", "--config", "-"]
    subprocess.run(command, input=asks, check=True, capture_output=True, timeout=60)
