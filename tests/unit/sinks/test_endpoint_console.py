"""Endpoints and requests as people read them: tables of several widths, and plain lines."""

from model.batch import Batch
from model.requests import NO_GRPC_STATUS
from sinks.console.plain import plain_lines
from sinks.console.summary import WindowSummary
from sinks.console.table import render
from tailrace.testing.requests import make_endpoints, make_requests


def of(batch: Batch) -> WindowSummary:
    summary = WindowSummary(batch, 20, "bytes")
    summary.add(batch)
    return summary


def shop() -> Batch:
    """An orders page, a failing call of gRPC, and a request that nobody answered."""
    columns = {
        "client.workload.index": [3, 1, 4],
        "server.workload.index": [1, 2, 1],
        "server.port": [8080, 50051, 8080],
        "network.protocol.version": [b"1.1", b"2", b"1.1"],
        "rpc.system": [b"", b"grpc", b""],
        "rpc.grpc.status_code": [NO_GRPC_STATUS, 14, NO_GRPC_STATUS],
        "http.request.method": [1, 2, 4],
        "route.index": [2, 4, 3],
        "host.index": [1, 0, 0],
        "http.response.status_code": [200, 200, 0],
        "requests": [120, 1400, 1],
        "requests.failed": [0, 1400, 1],
    }
    return make_endpoints(3, columns=columns)


def words(line: str) -> list[str]:
    return line.split()


def test_the_table_says_who_asked_whom_for_what() -> None:
    """What is asked for most comes first; a code of gRPC goes by its name where there is room."""
    lines = render(of(shop()), 140, 20, color=False).splitlines()
    assert lines[0].endswith("rows 3  requests 1521  failed 1401")
    assert words(lines[2]) == [
        *("CLIENT", "SERVER", "METHOD", "ENDPOINT", "CODE", "REQ/s", "FAIL", "P50", "P99")
    ]
    assert [words(line)[:6] for line in lines[3:]] == [
        ["shop/cart", "→", "shop/postgres:50051", "gRPC", "/shop.Cart/Add", "14"],
        ["nginx.service", "→", "shop/cart:8080", "GET", "shop.test/orders/*", "200"],
        ["curl", "→", "shop/cart:8080", "DELETE", "/users/{id}", "-"],
    ]
    assert [words(line)[6:8] for line in lines[3:]] == [["1.4k", "1.4k"], ["120", "0"], ["1", "1"]]
    assert "UNAVAILABLE" in render(of(shop()), 200, 20, color=False)


def test_a_narrow_terminal_keeps_method_endpoint_and_code() -> None:
    """Times go first, then the client; each line fits."""
    for width in (80, 64, 57):
        lines = render(of(shop()), width, 20, color=False).splitlines()
        assert all(len(line) <= width for line in lines)
        assert {"METHOD", "ENDPOINT", "CODE"} <= set(words(lines[2]))


def test_lines_for_pipes_have_the_same_words() -> None:
    """One line each, without blanks in names."""
    summary, first, *_ = plain_lines(of(shop())).splitlines()
    assert words(summary)[2:] == ["summary", "rows=3", "requests=1521", "requests.failed=1401", "lost=0"]
    assert words(first)[2:9] == [
        *("shop/cart", "->", "shop/postgres:50051", "gRPC", "/shop.Cart/Add", "UNAVAILABLE", "requests=1400"),
    ]


def test_requests_of_connections_name_processes() -> None:
    """Or the address of an end that nobody reports."""
    columns = {"client.process.comm": b"curl", "client.process.pid": 7, "server.process.comm": b""}
    lines = render(of(make_requests(1, columns=columns)), 120, 20, color=False).splitlines()
    assert words(lines[3])[:2] == ["curl/7", "→"]
    assert words(lines[3])[2].startswith("10.1.2.3:")
