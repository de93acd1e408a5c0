"""Made-up exchanges of HTTP/1 whose counts are known, cut into reads and writes at any byte."""

import random
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.kernel.http_traffic import FIELDS, word

Counts = Counter[tuple[str, str, int]]
#: Bodies that look like what stands before and behind them.
_FAKE: Final = b"GET /fake HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0\r\n\r\n"
_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
_STATUSES: Final = (200, 201, 204, 304, 403, 500)


@dataclass
class Exchange:
    """One request and its answer, as bytes."""

    method: str
    path: str
    status: int
    request: bytes
    answer: bytes
    #: The answer ends with its connection.
    closes: bool = False


@dataclass
class Exchanges:
    """Random ones, of one seed.

    :param random: decides everything.
    :ivar counts: of all that were made.
    """

    random: random.Random
    counts: Counts = field(default_factory=Counter)
    made: int = 0

    def next(self, *, last: bool = False) -> Exchange:
        """One more; only the last of a connection may have an answer without a length."""
        choose = self.random.choice
        method, status = choose(_METHODS), choose(_STATUSES)
        self.made += 1
        path = f"/made/{word(self.made % 400)}"
        query = choose(("", "?q=" + "x" * self.random.randrange(200)))
        target = choose(("", "", "http://localhost")) + path + query
        request = self._message(f"{method} {target} HTTP/1.1", self.random.random() < 0.5)
        closes = last and method != "HEAD" and status in (200, 403)
        bare = method == "HEAD" or status in (204, 304)
        answer = b"".join(b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(choose((0, 0, 1, 2))))
        answer += self._answer(f"HTTP/1.1 {status} Reason", bare=bare, closes=closes)
        self.counts[method, path, status] += 1
        return Exchange(method, path, status, request, answer, closes)

    def _message(self, first: str, bodied: bool) -> bytes:
        """A head with its body: by length, or in chunks."""
        head = f"{first}\r\n{FIELDS}X-Long: {'y' * self.random.randrange(300)}\r\n".encode()
        if not bodied:
            return head + b"\r\n"
        body = self._body()
        if self.random.random() < 0.5:
            return head + b"content-length: %d\r\n\r\n" % len(body) + body
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + self._chunks(body)

    def _answer(self, first: str, *, bare: bool, closes: bool) -> bytes:
        if bare:
            return f"{first}\r\nContent-Length: 5000\r\nServer: made\r\n\r\n".encode()
        if closes:
            return f"{first}\r\nConnection: close\r\n\r\n".encode() + self._body()
        return self._message(first, bodied=True)

    def _body(self) -> bytes:
        return (_FAKE * 40)[: self.random.choice((0, 1, 2, 70, 300, 3000))]

    def _chunks(self, body: bytes) -> bytes:
        """With extensions and trailers now and then."""
        chunks = []
        while body:
            size = self.random.randrange(1, 200)
            part, body = body[:size], body[size:]
            extension = self.random.choice((b"", b"", b";a=b"))
            chunks.append(b"%x%s\r\n%s\r\n" % (len(part), extension, part))
        trailer = self.random.choice((b"", b"", b"X-Trailer: GET /fake\r\n"))
        return b"".join(chunks) + b"0\r\n" + trailer + b"\r\n"


class Connection:
    """A client and a server of the loopback, which write and read in pieces of any size."""

    def __init__(self, listener: socket.socket, chance: random.Random, largest: int) -> None:
        self._random = chance
        self._largest = largest
        self._client = socket.create_connection(listener.getsockname(), timeout=20)
        self._server, _ = listener.accept()
        for end in (self._client, self._server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(20)

    def pass_on(self, exchanges: list[Exchange]) -> None:
        """All requests, then all answers."""
        self._move(self._client, self._server, b"".join(one.request for one in exchanges))
        self._move(self._server, self._client, b"".join(one.answer for one in exchanges))

    def _move(self, writer: socket.socket, reader: socket.socket, data: bytes) -> None:
        """Each piece is read before the next is written, in pieces of other sizes."""
        for piece in self._pieces(data):
            if self._random.random() < 0.3:
                writer.sendmsg(list(self._pieces(piece)) or [b""])
            else:
                writer.sendall(piece)
            left = len(piece)
            while left:
                left -= self._read(reader, min(left, self._random.randint(1, self._largest)))

    def _read(self, reader: socket.socket, most: int) -> int:
        if self._random.random() < 0.3:
            cut = self._random.randint(0, most)
            return reader.recvmsg_into([bytearray(cut), bytearray(most - cut)])[0]
        return len(reader.recv(most))

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """At most 14."""
        at = 0
        least = len(data) // 14 + 1
        while at < len(data):
            size = self._random.randint(least, max(least, self._largest))
            yield data[at : at + size]
            at += size

    def close(self) -> None:
        """The server's end first."""
        self._server.close()
        assert self._client.recv(1) == b""
        self._client.close()


def exchange_all(listener: socket.socket, seed: int, connections: int) -> Counts:
    """Many exchanges on some connections, pipelined at times; returns what there was."""
    chance = random.Random(seed)
    made = Exchanges(chance)
    for number in range(connections):
        connection = Connection(listener, chance, (4, 60, 700, 9000)[number % 4])
        for _ in range(chance.randrange(1, 6)):
            connection.pass_on([made.next() for _ in range(chance.choice((1, 1, 1, 2, 5)))])
        connection.pass_on([made.next(last=True)])
        connection.close()
    return made.counts
