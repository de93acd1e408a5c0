"""Requests of HTTP/2 and gRPC: whether all are counted at both ends, and what decoding their header blocks costs."""

import json
import random
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
import hpack
import numpy as np

from benchmarks.children import find, finish, holds, running
from benchmarks.figure import Bar, Reading
from benchmarks.procfs import cpu_time
from benchmarks.watchers import tailrace
from model.errors import TailraceError
from probes.http.config import Http2Config
from probes.http2.blocks import FLAGS, RECORD, TYPES, WAYS
from probes.http2.decoder import FrameDecoder

REQUESTS: Final = 200_000
CONNECTIONS: Final = 8
STREAMS: Final = 32
CALLS: Final = 20_000
THREADS: Final = 4
#: From the end of the load until its last window is cut and written.
LAST_SECONDS: Final = 2.5
#: Blocks that are decoded, and records of one turn.
BLOCKS: Final = 60_000
TURN: Final = 1 << 15
PEER: Final = "PyPI's hpack, a block at a time"
_PIECE: Final = RECORD["text"].itemsize


def measure_exact() -> Iterator[Reading]:
    """Percent of h2load's requests that each end counted, with their route and status."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        folder, output = Path(name), Path(name, "rows.jsonl")
        (folder / "index.html").write_text("hello\n")
        port = _free_port()
        server: list[str | Path] = [find("nghttpd", "nghttp2-server"), "-d", folder, "--no-tls", str(port)]
        with running(server, ready=holds("[eventpoll]")), tailrace(output, "requests", "on") as child:
            spent, begun = cpu_time(child.pid), time.monotonic()
            done = _h2load(port)
            time.sleep(LAST_SECONDS)
            seconds = time.monotonic() - begun
            used = (cpu_time(child.pid) - spent).user
            time.sleep(LAST_SECONDS)
        counts = _counted(output, port)
    ends = [counts[end, "GET", "/", 200, None] for end in ("client", "server")]
    strange = counts.total() - sum(ends)
    share = 100 * (1 - (max(abs(count - done) for count in ends) + strange) / done)
    each = 1e6 * used / (2 * done)
    note = f"{done:,} requests in {seconds:.1f} s, ends {ends}; user-space {each:.2f} µs a request and end"
    yield Reading(share, "%", Bar(at_least=100), "", None, "more", note)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _h2load(port: int) -> int:
    """How many requests were answered with 200."""
    load = ["-n", str(REQUESTS), "-c", str(CONNECTIONS), "-m", str(STREAMS)]
    said = finish([find("h2load", "nghttp2-client"), *load, f"http://127.0.0.1:{port}/"], 300)
    found = re.search(r"status codes: (\d+) 2xx", said)
    if not found:
        raise TailraceError("h2load did not say how many requests were answered")
    return int(found[1])


def _counted(output: Path, port: int) -> Counter[tuple[str, str, str, int, int | None]]:
    """Requests to a port by end, method, route, status and gRPC's status."""
    counts: Counter[tuple[str, str, str, int, int | None]] = Counter()
    for row in map(json.loads, output.read_text().splitlines()):
        if row.get("server.port") == port:
            names = ("http.request.method", "http.route")
            kind = (*(row.get(name, "") for name in names), row["http.response.status_code"])
            for end in ("client", "server"):
                counts[end, *kind, row.get("rpc.grpc.status_code")] += row.get(f"{end}.requests", 0)
    return counts


def measure_grpc() -> Iterator[Reading]:
    """Percent of grpcio's calls that each end counted, with their method and both statuses."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        output = Path(folder, "rows.jsonl")
        server = grpc.server(futures.ThreadPoolExecutor(2 * THREADS))
        handlers = {
            "Get": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
            "Fail": grpc.unary_unary_rpc_method_handler(_fail),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with tailrace(output, "requests", "on"):
            threads = [threading.Thread(target=_call, args=(port, CALLS // THREADS)) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(2 * LAST_SECONDS)
        server.stop(0).wait()
        counts = _counted(output, port)
    expected = {("/shop.Cart/Get", 0): CALLS - CALLS // 10, ("/shop.Cart/Fail", 5): CALLS // 10}
    off = sum(
        abs(counts.pop((end, "POST", route, 200, code), 0) - count)
        for (route, code), count in expected.items()
        for end in ("client", "server")
    )
    share = 100 * (1 - (off + counts.total()) / (2 * CALLS))
    yield Reading(share, "%", Bar(at_least=100), "", None, "more", f"{CALLS:,} calls, {THREADS} connections")


def _fail(_: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
    return b""


def _call(port: int, calls: int) -> None:
    """One in ten fails."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        get, fail = (channel.unary_unary(f"/shop.Cart/{method}") for method in ("Get", "Fail"))
        for number in range(calls):
            if number % 10:
                get(b"a" * 50, metadata=[("x-request-id", f"{number:032x}")])
                continue
            try:
                fail(b"")
            except grpc.RpcError:
                continue


def measure_decode() -> Iterator[Reading]:
    """User time for each header block: a request whose trace differs each time, or its answer."""
    blocks = _blocks()
    records = _records(blocks)
    decoder = FrameDecoder(Http2Config(), 16384, hosts=True)
    ours = _spent(lambda: [decoder.take(records[at : at + TURN]) for at in range(0, len(records), TURN)])
    sides = [hpack.Decoder(), hpack.Decoder()]
    theirs = _spent(lambda: [sides[place % 2].decode(block) for place, block in enumerate(blocks)])
    note = f"{len(blocks):,} blocks of {sum(map(len, blocks)) / len(blocks):.0f} bytes on average"
    yield Reading(ours / BLOCKS * 1e6, "µs", Bar(times=2), PEER, theirs / BLOCKS * 1e6, "less", note)


def _spent(work: Callable[[], Any]) -> float:
    """Processor seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _blocks() -> list[bytes]:
    """Of requests and answers in turn, as two encoders make them."""
    chance, asks, answers = random.Random(1), hpack.Encoder(), hpack.Encoder()
    blocks = []
    for number in range(BLOCKS // 2):
        request = [
            *((":method", "POST"), (":scheme", "http"), (":path", f"/shop.Cart/{chance.choice('ABCD')}")),
            *((":authority", "shop:8080"), ("content-type", "application/grpc"), ("te", "trailers")),
            ("traceparent", f"00-{chance.getrandbits(128):032x}-{number:016x}-01"),
        ]
        blocks.append(asks.encode(request))
        blocks.append(answers.encode([(":status", "200"), ("content-type", "application/grpc")]))
    return blocks


def _records(blocks: list[bytes]) -> np.ndarray:
    """As the kernel tells of them."""
    cuts = [[block[at : at + _PIECE] for at in range(0, len(block), _PIECE)] for block in blocks]
    records = np.zeros(sum(map(len, cuts)), RECORD)
    records["type"], records["slot"], records["generation"] = TYPES["HTTP2_HEADERS"], 1, 1
    records["flags"] = FLAGS["HTTP2_END_HEADERS"] | FLAGS["HTTP2_END_STREAM"]
    texts, at = records["text"], 0
    for number, pieces in enumerate(cuts):
        sent = 0 if number % 2 else WAYS["HTTP2_SENT"]
        for place, piece in enumerate(pieces):
            first, last = place == 0, place == len(pieces) - 1
            way = WAYS["HTTP2_FIRST"] * first | WAYS["HTTP2_LAST"] * last
            records["way"][at] = way | sent | WAYS["HTTP2_CLIENT"]
            records["length"][at], records["stream"][at] = len(piece), number // 2 * 2 + 1
            texts[at] = np.void(piece.ljust(_PIECE, b"\0"))
            at += 1
    return records
