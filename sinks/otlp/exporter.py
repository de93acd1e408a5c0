"""Sends requests of OTLP: over HTTP or gRPC, and says what the answers mean.

https://opentelemetry.io/docs/specs/otlp: what may be sent again, how long to wait, and partial success.
"""

import gzip
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from model.errors import SinkError, UsageError
from model.extras import extra
from sinks.http.client import Answer, HttpClient, Tls, wait_seconds
from sinks.otlp.wire import fields_of

#: What of a server's answer an error repeats.
_SAID: Final = 300
_HTTP_AGAIN: Final = frozenset({429, 502, 503, 504})
_GRPC_AGAIN: Final = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
#: Metrics and logs by their names in paths and in services.
SERVICES: Final = {"metrics": "MetricsService", "logs": "LogsService"}
_GZIP_LEVEL: Final = 1


class Export(NamedTuple):
    """One request.

    :param signal: ``metrics`` or ``logs``.
    :param items: data points or records in it.
    """

    signal: str
    body: bytes
    items: int
    rows: int


class Exporter(Protocol):
    """One way to send."""

    async def open(self) -> None:
        """Get ready."""

    async def export(self, request: Export) -> bytes:
        """What a server answers to a request that it took.

        :raises SinkError: if it did not.
        """

    async def close(self) -> None:
        """Let go."""


class HttpExporter:
    """Binary protobuf by POST to ``/v1/metrics`` and ``/v1/logs``."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], timeout: float, tls: Tls, *, gzip: bool
    ) -> None:
        address = urlsplit(endpoint)
        self._target = f"the OTLP server at {address.hostname}:{address.port or 4318}"
        self._endpoint = endpoint.rstrip("/")
        self._gzip = gzip
        encoding = {"Content-Encoding": "gzip"} if gzip else {}
        self._headers = {**headers, "Content-Type": "application/x-protobuf", **encoding}
        self._client = HttpClient(self._target, timeout, tls)

    async def open(self) -> None:
        """Make the pool."""
        await self._client.open()

    async def export(self, request: Export) -> bytes:
        """:raises SinkError: as its status says."""
        body = gzip.compress(request.body, _GZIP_LEVEL) if self._gzip else request.body
        answer = await self._client.post(f"{self._endpoint}/v1/{request.signal}", body, self._headers)
        if answer.status != 200:
            raise self._error(answer)
        return answer.body

    async def close(self) -> None:
        """Let go of the pool."""
        await self._client.close()

    def _error(self, answer: Answer) -> SinkError:
        what = f"{self._target} answered {answer.status} ({answer.text})"
        if answer.status in _HTTP_AGAIN:
            pause = wait_seconds(answer.headers.get("Retry-After", ""), time.time())
            return SinkError(what, "rows wait meanwhile", reason="server_busy", retryable=True, pause=pause)
        return SinkError(what, "check endpoint and headers", reason="server_refused")


class GrpcExporter:
    """Bytes over grpc.aio; no generated code is needed."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], timeout: float, tls: Tls, *, gzip: bool
    ) -> None:
        address = urlsplit(endpoint)
        self._address = f"{address.hostname}:{address.port or 4317}"
        self._secure = address.scheme == "https"
        self._headers = tuple((name.lower(), value) for name, value in headers.items())
        self._timeout = timeout
        self._tls = tls
        self._gzip = gzip
        self._channel: Any = None
        self._calls: dict[str, Any] = {}

    async def open(self) -> None:
        """Make the channel; it connects when something is sent.

        :raises UsageError: if grpcio is not installed, or a file for TLS cannot be read.
        """
        grpc = _grpc()
        options = [("grpc.max_send_message_length", -1)]
        compression = grpc.Compression.Gzip if self._gzip else grpc.Compression.NoCompression
        if self._secure:
            files = map(_read, (self._tls.ca, self._tls.key, self._tls.certificate))
            credentials = grpc.ssl_channel_credentials(*files)
            self._channel = grpc.aio.secure_channel(self._address, credentials, options, compression)
        else:
            self._channel = grpc.aio.insecure_channel(self._address, options, compression)
        for signal, service in SERVICES.items():
            path = f"/opentelemetry.proto.collector.{signal}.v1.{service}/Export"
            self._calls[signal] = self._channel.unary_unary(path)

    async def export(self, request: Export) -> bytes:
        """:raises SinkError: as its status says."""
        grpc = _grpc()
        try:
            answer: bytes = await self._calls[request.signal](
                request.body, timeout=self._timeout, metadata=self._headers
            )
        except grpc.aio.AioRpcError as error:
            raise self._error(error) from None
        return answer

    async def close(self) -> None:
        """Let go of the channel."""
        channel, self._channel = self._channel, None
        if channel:
            await channel.close()

    def _error(self, error: Any) -> SinkError:
        code = error.code().name
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        asked = retry_seconds(details)
        what = f"the OTLP server at {self._address} answered {code} ({str(error.details())[:_SAID]})"
        if code in _GRPC_AGAIN or (code == "RESOURCE_EXHAUSTED" and asked is not None):
            reason = {"UNAVAILABLE": "server_away", "DEADLINE_EXCEEDED": "server_slow"}.get(
                code, "server_busy"
            )
            remedy = "start the server, or correct the address; rows wait meanwhile"
            return SinkError(what, remedy, reason=reason, retryable=True, pause=asked or 0.0)
        return SinkError(what, "check endpoint and headers", reason="server_refused")


def retry_seconds(details: bytes) -> float | None:
    """What ``RetryInfo`` in the details of a status asks for; None: there is none."""
    try:
        for number, detail in fields_of(details):
            parts = dict(fields_of(_bytes(detail))) if number == 3 else {}
            if _bytes(parts.get(1)).endswith(b"google.rpc.RetryInfo"):
                delay = dict(fields_of(_bytes(dict(fields_of(_bytes(parts.get(2)))).get(1))))
                return float(int(delay.get(1, 0)) + int(delay.get(2, 0)) / 1e9)
    except ValueError:
        return None
    return None


def rejected(answer: bytes) -> tuple[int, str]:
    """Of a partial success how many items were rejected, and why."""
    try:
        partial = dict(fields_of(_bytes(dict(fields_of(answer)).get(1))))
        return int(partial.get(1, 0)), str(_bytes(partial.get(2)), "utf-8", "replace")
    except ValueError:
        return 0, ""


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _grpc() -> Any:
    grpc = extra("grpc", "otlp", "it needs grpcio for gRPC")
    extra("grpc.aio", "otlp", "it needs grpcio for gRPC")
    return grpc


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        remedy = "check the files for TLS of the sink otlp"
        raise UsageError(f"cannot read {path} ({error.strerror})", remedy) from error
