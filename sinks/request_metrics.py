"""Durations of requests as OpenTelemetry's semantic conventions name them, for sinks that send metrics.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics and …/rpc/rpc-metrics: ``http.*.request.duration`` are
stable; ``rpc.*.call.duration`` were ``rpc.*.duration`` up to 1.37.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from model.batch import Batch
from model.kinds.request import GRPC_ERRORS, SERVER_ERRORS, HttpMethod
from model.kinds.request_text import GrpcStatus

Attribute = tuple[str, str | int]
#: From here on an answer is an error to the client.
_CLIENT_ERRORS: Final = 400
_METHODS: Final = {method.value: method.name for method in HttpMethod}
_GRPC: Final = {code.value: code.name for code in GrpcStatus}


class RequestMetric(NamedTuple):
    """A histogram of endpoints.

    :param side: who measured.
    :param calls: of gRPC; else of all other requests.
    """

    name: str
    description: str
    side: str
    calls: bool

    @property
    def column(self) -> str:
        """The measure of endpoints."""
        return f"http.{self.side}.request.duration_ns"

    def rows(self, batch: Batch) -> np.ndarray:
        """The places of rows that have values of it."""
        columns = batch.columns
        calls = columns["rpc.system"] == b"grpc"
        return np.flatnonzero((columns[f"{self.column}.index"] != 0) & (calls == self.calls))

    def attributes(self, batch: Batch, rows: np.ndarray) -> list[tuple[Attribute, ...]]:
        """Of each of these rows, beside those of workloads and port."""
        columns, known = batch.columns, dict[tuple[int | bytes, ...], tuple[Attribute, ...]]()
        names = _CALL if self.calls else _REQUEST
        keys = list(zip(*(columns[name][rows].tolist() for name in names), strict=True))
        for key in set(keys):
            told = dict(zip(names, key, strict=True))
            known[key] = tuple((_of_call if self.calls else _of_request)(self.side, batch, told))
        return [known[key] for key in keys]


#: What tells requests of each sort apart.
_SHARED: Final = ("route.index", "host.index", "via.index")
_REQUEST: Final = (
    *_SHARED,
    *("network.protocol.version", "http.request.method", "http.response.status_code"),
)
_CALL: Final = (*_SHARED, "rpc.grpc.status_code", "http.response.status_code")

REQUEST_METRICS: Final = (
    RequestMetric("http.server.request.duration", "Duration of HTTP server requests.", "server", calls=False),
    RequestMetric("http.client.request.duration", "Duration of HTTP client requests.", "client", calls=False),
    RequestMetric("rpc.server.call.duration", "Duration of incoming calls of gRPC.", "server", calls=True),
    RequestMetric("rpc.client.call.duration", "Duration of outgoing calls of gRPC.", "client", calls=True),
)


def _of_request(side: str, batch: Batch, told: dict[str, int | bytes]) -> Iterator[Attribute]:
    status = int(told["http.response.status_code"])
    yield "http.request.method", _METHODS.get(int(told["http.request.method"]), "_OTHER")
    if route := batch.tables["routes"][int(told["route.index"])]:
        yield ("http.route" if side == "server" else "url.template"), route
    if status:
        yield "http.response.status_code", status
    if status == 0 or status >= (SERVER_ERRORS if side == "server" else _CLIENT_ERRORS):
        yield "error.type", str(status) if status else "_OTHER"
    if version := bytes(told["network.protocol.version"]):
        yield "network.protocol.version", version.decode(errors="replace")
    yield from _of_both(batch, told)


def _of_call(side: str, batch: Batch, told: dict[str, int | bytes]) -> Iterator[Attribute]:
    code, unanswered = int(told["rpc.grpc.status_code"]), told["http.response.status_code"] == 0
    yield "rpc.system.name", "grpc"
    if method := batch.tables["routes"][int(told["route.index"])]:
        yield "rpc.method", method.removeprefix("/")
    name = _GRPC.get(code, "")
    if name:
        yield "rpc.response.status_code", name
    failed = code in GRPC_ERRORS if side == "server" else bool(name) and code != GrpcStatus.OK
    if failed or unanswered:
        yield "error.type", name or "_OTHER"
    yield from _of_both(batch, told)


def _of_both(batch: Batch, told: dict[str, int | bytes]) -> Iterator[Attribute]:
    if host := batch.tables["hosts"][int(told["host.index"])]:
        yield "server.address", host
    via = batch.tables["vias"][int(told["via.index"])]
    yield from ((f"via.{part}", text) for part, text in zip(("name", "cluster"), via, strict=True) if text)
