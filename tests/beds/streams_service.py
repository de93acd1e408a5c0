"""A service that speaks HTTP/2 and answers the streams of a connection in another order than they came: each waits
on its own. It resets streams of /reset, ends the connection for /close, and answers /again with 503 at first.
`python -m tests.beds.streams_service PORT LOG`; the log has a line for each answer: the client's port, path, status.
"""

import asyncio
import sys
import zlib
from pathlib import Path
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived

LONGEST_MS: Final = 40
#: Paths that were answered.
_TRIED: Final[set[str]] = set()


def waits_ns(path: str) -> int:
    """How long the answer to a path waits."""
    return zlib.crc32(path.encode()) % LONGEST_MS * 1_000_000


def status_of(path: str) -> int:
    """What a path is answered."""
    return 403 if path.startswith("/refused") else 200


class Streams(asyncio.Protocol):
    """One connection.

    :param log: where answers are written.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._port = transport.get_extra_info("peername")[1]
        self._http.initiate_connection()
        self._send()

    def data_received(self, data: bytes) -> None:
        for event in self._http.receive_data(data):
            if isinstance(event, RequestReceived):
                path = {str(name): str(value) for name, value in event.headers}[":path"]
                later = waits_ns(path) / 1e9
                asyncio.get_running_loop().call_later(later, self._answer, event.stream_id, path)
        self._send()

    def _answer(self, stream: int, path: str) -> None:
        if self._transport.is_closing() or _is_closed(self._http, stream):
            return
        if path.startswith("/close"):
            self._transport.close()
            return
        if path.startswith("/reset"):
            self._http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
            self._send()
            return
        status = 503 if path.startswith("/again") and path not in _TRIED else status_of(path)
        _TRIED.add(path)
        self._http.send_headers(stream, [(":status", str(status))])
        self._http.send_data(stream, path.encode(), end_stream=True)
        self._send()
        self._log.write(f"{self._port} {path} {status}\n")
        self._log.flush()

    def _send(self) -> None:
        self._transport.write(self._http.data_to_send())


def _is_closed(connection: H2Connection, stream: int) -> bool:
    """Whether the client has reset it."""
    streams = connection.streams
    return stream not in streams or bool(streams[stream].closed)


async def serve(port: int, log: Path) -> None:
    """Until it is ended."""
    with log.open("a") as file:
        server = await asyncio.get_running_loop().create_server(lambda: Streams(file), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
