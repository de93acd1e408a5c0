"""The OTLP sink: workload pairs, endpoints, queries, drops and listeners as metrics, other rows as logs."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

import msgspec

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import WORKLOAD
from model.settings import PluginConfig, Secret
from model.version import VERSION
from sinks.gathered import Gathered, Request
from sinks.http.client import Tls
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from sinks.otlp.exporter import Export, Exporter, GrpcExporter, HttpExporter, rejected
from sinks.otlp.logs import logs_of
from sinks.otlp.metrics import Encoded, metrics_of
from sinks.otlp.requests import request_metrics_of
from sinks.otlp.rows import RowMetrics
from sinks.otlp.wire import field, key_value
from sinks.row_metrics import ROW_SUMS

#: What makes metrics of rows of a kind.
METRICS: Final[dict[str, Callable[[Batch, bytes, bytes], Encoded]]] = {
    WORKLOAD.name: metrics_of,
    ENDPOINT.name: request_metrics_of,
}
#: Rows of one request at most, and its bytes: below what servers of gRPC take by default (4 MiB).
_ROWS: Final = 4000
_BYTES: Final = 3_500_000


class OtlpConfig(PluginConfig, frozen=True):
    """Where rows are sent; ``--sink otlp:ENDPOINT`` sets the endpoint.

    :param endpoint: of the server, ``http://`` or ``https://``; over HTTP without ``/v1/metrics``.
    :param protocol: ``grpc``, or ``http`` for binary protobuf over HTTP.
    :param headers: sent with each request, such as a token.
    :param gzip: whether requests are compressed.
    :param attributes: of the resource, beside ``service.name``.
    :param as_logs: whether queries, drops and listeners are sent as logs, one for each row, instead of metrics.
    :param names: of DNS that are attributes of metrics at most; others are ``other``.
    :param timeout: seconds for one request.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    :param certificate: file with that of this client.
    :param key: file with its key.
    """

    endpoint: str = "http://127.0.0.1:4317"
    protocol: Literal["grpc", "http"] = "grpc"
    headers: Annotated[dict[str, str], Secret()] = msgspec.field(default_factory=dict)
    gzip: bool = True
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    as_logs: bool = False
    names: Annotated[int, msgspec.Meta(ge=0, le=1 << 18)] = 200
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("write endpoint as http://HOST:4317 or https://HOST:4318")


class OtlpSink:
    """Sends rows to an OpenTelemetry collector: workload pairs, endpoints, queries, drops and listeners as metrics,
    flows and other rows as logs.
    """

    Config: ClassVar[type[PluginConfig]] = OtlpConfig
    limits: ClassVar[Limits] = Limits(
        QueueLimits(), RetryLimits(attempts=0, longest_pause=30), BatchLimits(20_000, 1)
    )

    def __init__(self, config: OtlpConfig) -> None:
        self._config = config
        attributes = {"service.name": "tailrace", **config.attributes}
        self._resource = field(1, b"".join(field(1, key_value(*each)) for each in attributes.items()))
        self._scope = field(1, field(1, b"tailrace") + field(2, VERSION.encode()))
        self._metrics = dict(METRICS)
        if not config.as_logs:
            self._metrics |= dict.fromkeys(ROW_SUMS, RowMetrics(config.names).of)
        exporter = GrpcExporter if config.protocol == "grpc" else HttpExporter
        tls = Tls(config.ca, config.certificate, config.key)
        self._exporter: Exporter = exporter(
            config.endpoint, config.headers, config.timeout, tls, gzip=config.gzip
        )
        self._gathered: Gathered[Export] = Gathered(self._exports, self._export)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Get ready to send; whether the server is there shows when something is sent.

        :raises UsageError: if grpcio is not installed, or a file for TLS cannot be read.
        """
        await self._exporter.open()

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Send requests without items, as the specification allows: one for metrics, one for logs, as rows would be.

        :raises SinkError: if the server is away or refuses them.
        :raises UsageError: as ``open`` does.
        """
        await self._exporter.open()
        signals = sorted({self._signal(kind) for kind in kinds})
        for signal in signals:
            await self._exporter.export(Export(signal, b"", 0, 0))
        address = urlsplit(self._config.endpoint)
        return f"the OTLP server at {address.netloc.rpartition('@')[2]} takes {' and '.join(signals)}"

    async def write(self, batch: Batch) -> None:
        """Gather rows."""
        self._gathered.add(batch)

    async def flush(self) -> None:
        """Send what was gathered; requests that were taken are not sent again.

        :raises SinkError: retryable, if the server is away or asks for that; else with the rows that it refused.
        """
        await self._gathered.deliver()

    async def close(self) -> None:
        """Disconnect."""
        self._gathered.clear()
        await self._exporter.close()

    def _exports(self, batches: Sequence[Batch]) -> Iterator[Request[Export]]:
        for batch in batches:
            for begin in range(0, len(batch), _ROWS):
                yield from self._fitting(batch.take(slice(begin, begin + _ROWS)))

    def _fitting(self, batch: Batch) -> Iterator[Request[Export]]:
        """One request, or two halves where that would be too long."""
        signal, rows = self._signal(batch.kind), len(batch)
        if make := self._metrics.get(batch.kind.name):
            made = make(batch, self._resource, self._scope)
        else:
            made = logs_of(batch, self._resource, self._scope, time.time_ns())
        if len(made.body) <= _BYTES or rows == 1:
            yield Request(rows, Export(signal, made.body, made.points, rows))
            return
        for part in (slice(0, rows // 2), slice(rows // 2, rows)):
            yield from self._fitting(batch.take(part))

    async def _export(self, request: Export) -> None:
        """:raises SinkError: also if a part was rejected: so many rows are lost as that is of all items."""
        count, why = rejected(await self._exporter.export(request))
        if count:
            lost = min(request.rows, math.ceil(request.rows * count / max(1, request.items)))
            what = f"the OTLP server rejected {count} of {request.items} items ({why})"
            raise SinkError(what, "see its log", reason="server_rejected", lost_rows=lost)

    def _signal(self, kind: Kind) -> str:
        """What rows of a kind are sent as."""
        return "metrics" if kind.name in self._metrics else "logs"
