"""Calls of gRPC as they are counted at both ends, against what a real client (grpcio) was answered."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.kernel.http_traffic import SECRET
from tests.kernel.loopback import until
from tests.kernel.test_http import SETTLE_SECONDS, Recorded, of_port, recording_into

pytestmark = pytest.mark.kernel

#: Method, gRPC's status, status.
Calls = Counter[tuple[str, int, int]]
SERVICE = "shop.Cart"
THREADS = 4
ROUNDS = 30
STATUSES = {code.value[0]: code for code in grpc.StatusCode}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """The rows of this module's requests."""
    with recording_into(tmp_path_factory.mktemp("grpc")) as begun:
        yield begun


class Cart:
    """A service with every kind of call."""

    def __init__(self) -> None:
        self._over = threading.Event()
        handlers = {
            "Double": grpc.unary_unary_rpc_method_handler(lambda request, _: request * 2),
            "Large": grpc.unary_unary_rpc_method_handler(lambda *_: b"x" * 200_000),
            "Fail": grpc.unary_unary_rpc_method_handler(_fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self._wait),
            "Stream": grpc.unary_stream_rpc_method_handler(lambda request, _: iter([request] * 5)),
            "Echo": grpc.stream_stream_rpc_method_handler(lambda requests, _: iter(list(requests))),
        }
        self._server = grpc.server(futures.ThreadPoolExecutor(2 * THREADS))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> "Cart":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.stop(5).wait()

    def _wait(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        self._over.wait(20)
        return request


def _fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    """With the status that is asked for."""
    context.abort(STATUSES[int(request)], f"as was asked for {SECRET}")
    return b""


def call(port: int, rounds: int, counted: Calls) -> None:
    """Calls of every kind on a connection of its own, counted by what the client is told."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        for number in range(rounds):
            _round(channel, number, counted)
        pending = channel.unary_unary(f"/{SERVICE}/Wait").future(b"")
        assert not _times_out(pending)
        pending.cancel()
        counted["Wait", _code(pending.result), 0] += 1


def _round(channel: grpc.Channel, number: int, counted: Calls) -> None:
    """One call of each kind, with metadata that no other has."""
    metadata = [("authorization", f"Bearer {SECRET}{number}"), ("x-request-id", f"{number:032x}")]
    requests = {"Double": b"a" * 50, "Large": b"", "Absent": b"", "Fail": str(1 + number % 16).encode()}
    for method, request in requests.items():
        unary = channel.unary_unary(f"/{SERVICE}/{method}")
        counted[method, _code(partial(unary, request, metadata=metadata)), 200] += 1
    stream = channel.unary_stream(f"/{SERVICE}/Stream")
    counted["Stream", _code(lambda: list(stream(b"a", metadata=metadata))), 200] += 1
    echo = channel.stream_stream(f"/{SERVICE}/Echo")
    counted["Echo", _code(lambda: list(echo(iter([b"1", b"2"]), metadata=metadata))), 200] += 1


def _times_out(pending: Any) -> bool:
    """Whether it ends by itself; it is sent by then."""
    try:
        pending.result(timeout=0.3)
    except grpc.FutureTimeoutError:
        return False
    return True


def _code(call: Any) -> int:
    """The status that a call ends with."""
    try:
        call()
    except grpc.FutureCancelledError:
        return 1
    except grpc.RpcError as error:
        code: int = error.code().value[0]
        return code
    return 0


def said(rows_of_port: Iterable[dict[str, Any]], end: str) -> Calls:
    """What rows say that one end counted."""
    counts: Calls = Counter()
    for row in rows_of_port:
        if row.get(f"{end}.requests"):
            assert (row["rpc.system"], row["http.request.method"]) == ("grpc", "POST")
            method = row["http.route"].removeprefix(f"/{SERVICE}/")
            key = (method, row["rpc.grpc.status_code"], row["http.response.status_code"])
            counts[key] += row[f"{end}.requests"]
    return counts


def test_both_ends_count_what_the_client_is_told(recorded: Recorded) -> None:
    """Unary calls and streams, every status, an unknown method, and calls that are cancelled."""
    counted: list[Calls] = [Counter() for _ in range(THREADS)]
    with Cart() as cart:
        calling = [threading.Thread(target=call, args=(cart.port, ROUNDS, each)) for each in counted]
        for thread in calling:
            thread.start()
        for thread in calling:
            thread.join()
        expected = sum(counted, Counter())
        assert len({code for method, code, _ in expected if method == "Fail"}) == 16
        both = [expected, expected]
        until(lambda: _ends(recorded.rows, cart.port) == both, SETTLE_SECONDS)
        assert _ends(recorded.rows, cart.port) == both


def _ends(path: Path, port: int) -> list[Calls]:
    return [said(of_port(path, port), end) for end in ("client", "server")]


def test_nothing_secret_goes_on(recorded: Recorded) -> None:
    """Neither metadata nor messages of statuses are in the recording or the rows."""
    for path in (recorded.recording, recorded.rows):
        assert SECRET.encode() not in Path(path).read_bytes()
