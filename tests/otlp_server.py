"""Servers of OTLP for tests, which read requests with the official classes: over gRPC and over HTTP."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from tests.http_server import HttpServer, Post, Reply

REQUESTS: Final[dict[str, Any]] = {
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
RESPONSES: Final[dict[str, Any]] = {
    "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse,
}


class Collected:
    """What was taken.

    :ivar headers: of the last request.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.headers: dict[str, str] = {}
        self.url = ""

    def metrics(self) -> Iterator[Any]:
        """All of them, request by request."""
        for request in self.requests:
            for resource in getattr(request, "resource_metrics", ()):
                for scope in resource.scope_metrics:
                    yield from scope.metrics

    def records(self) -> Iterator[Any]:
        """All log records."""
        for request in self.requests:
            for resource in getattr(request, "resource_logs", ()):
                for scope in resource.scope_logs:
                    yield from scope.log_records


#: What is done with a request before it is taken: it may answer something else, or end the call with a status.
Before = Callable[[str, Any, Any], Any]


class _Service:
    def __init__(self, signal: str, collected: Collected, before: Before) -> None:
        self._signal = signal
        self._collected = collected
        self._before = before

    def Export(self, request: Any, context: Any) -> Any:
        """One request."""
        self._collected.headers = dict(context.invocation_metadata())
        answer = self._before(self._signal, request, context)
        self._collected.requests.append(request)
        return answer or RESPONSES[self._signal]()


def _take(_: str, __: Any, ___: Any) -> None:
    """Nothing before it."""


@contextmanager
def grpc_server(before: Before = _take, port: int = 0, credentials: Any = None) -> Iterator[Collected]:
    """A server that speaks gRPC; a port of 0 is any."""
    collected = Collected()
    server = grpc.server(ThreadPoolExecutor(4))
    metrics, logs = (_Service(signal, collected, before) for signal in ("metrics", "logs"))
    add: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add(metrics, server)
    add = logs_service_pb2_grpc.add_LogsServiceServicer_to_server
    add(logs, server)
    address = f"localhost:{port}" if credentials else f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    collected.url = f"https://localhost:{bound}" if credentials else f"http://127.0.0.1:{bound}"
    server.start()
    try:
        yield collected
    finally:
        server.stop(None).wait()


@contextmanager
def http_server(
    answer: Callable[[Post], Reply | None] = lambda _: None, tls: SSLContext | None = None
) -> Iterator[Collected]:
    """A server that speaks protobuf over HTTP.

    :param answer: None: the request is taken.
    :param tls: over HTTPS.
    """
    collected = Collected()

    def take(post: Post) -> Reply:
        signal = post.path.rpartition("/")[2]
        collected.headers = {name.lower(): value for name, value in post.headers.items()}
        if (reply := answer(post)) is not None and reply.status != 200:
            return reply
        collected.requests.append(REQUESTS[signal].FromString(post.body))
        return reply or Reply(body=RESPONSES[signal]().SerializeToString())

    with HttpServer(take).running(tls=tls) as web:
        collected.url = web.url
        yield collected
