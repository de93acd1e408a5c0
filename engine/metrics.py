"""The listener of a role: ``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for whoever keeps it running."""

import asyncio
import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from engine.graph import Graph
from engine.listen_address import address_and_port
from model.errors import TailraceError, UsageError

#: A role whose event loop has not turned for so many seconds is not healthy.
STUCK_SECONDS: Final = 10.0
_BEAT_SECONDS: Final = 1.0

_REMEDIES: Final = {
    errno.EADDRINUSE: "end the program that listens there, or set another metrics.listen",
    errno.EACCES: "set metrics.listen to a port above 1023, or add CAP_NET_BIND_SERVICE",
}

log = logging.getLogger(__name__)

_StartResponse = Callable[..., Any]


class Health:
    """Whether a role lives and is ready, for threads that ask."""

    def __init__(self) -> None:
        self.ready = False
        self._turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the event loop turns."""
        return time.monotonic() - self._turned < STUCK_SECONDS

    async def beat(self) -> None:
        """Notes that the loop turns, until cancelled."""
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds without asking the name service what this machine is called, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "tailrace", int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """A request that failed is a line of the log."""
        log.warning("a request of metrics.listen failed", exc_info=True)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Logs no request."""


@contextlib.contextmanager
def serve_metrics(listen: str, graph: Graph, health: Health) -> Iterator[None]:
    """Serves on ``address:port`` while the block runs, in an event loop; does nothing for an empty ``listen``.

    :raises UsageError: if ``listen`` has a name that can be none.
    :raises TailraceError: if the port is taken, or the address is not of this machine.
    """
    if not listen:
        yield
        return
    server = _bound(listen, _application(graph, health))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    beating = asyncio.create_task(health.beat(), name="health")
    try:
        yield
    finally:
        beating.cancel()
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(listen: str, application: Callable[..., Any]) -> _Server:
    host, port = address_and_port(listen)
    kind = type("_Server", (_Server,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET})
    try:
        server: _Server = kind((host, port), _Quiet)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "choose an address of this machine")
        raise TailraceError(f"cannot listen on {listen} ({error.strerror})", remedy) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"metrics.listen is {listen!r} ({error})", "write an address and a port") from error
    server.set_app(application)
    return server


def _application(graph: Graph, health: Health) -> Callable[..., Iterable[bytes]]:
    """The WSGI application; Prometheus' library is loaded for it."""
    import prometheus_client

    from engine import collectors

    registry = prometheus_client.CollectorRegistry()
    registry.register(collectors.LedgerCollector(graph.ledger))
    registry.register(collectors.ActorCollector(graph.statistics))
    registry.register(collectors.SinkCollector(graph.sinks))
    registry.register(collectors.EnricherCollector(graph.identities))
    if graph.bus:
        registry.register(collectors.BusCollector(graph.bus))
    registry.register(collectors.WebCollector(lambda: graph.asked() if graph.asked else {}))
    prometheus_client.ProcessCollector(registry=registry)
    metrics = prometheus_client.make_wsgi_app(registry)
    answers: dict[str, Callable[[], bool]] = {
        "/healthz": lambda: health.alive,
        "/readyz": lambda: health.ready and health.alive,
    }

    def answer(environment: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        if state := answers.get(environment["PATH_INFO"]):
            status = HTTPStatus.OK if state() else HTTPStatus.SERVICE_UNAVAILABLE
            start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain")])
            return [b"ok\n" if state() else b"not yet, or no more\n"]
        return metrics(environment, start_response)  # type: ignore[no-any-return]

    return answer
