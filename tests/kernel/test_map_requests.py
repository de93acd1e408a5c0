"""The map of a machine says of requests what the log of a real server says: kernel, store, API."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.kernel import http_traffic as traffic
from tests.kernel.loopback import until
from tests.kernel.test_http import SETTLE_SECONDS, START_SECONDS, TAILRACE, Counts, folded

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a Tailrace that keeps the map; it has begun."""
    folder = tmp_path_factory.mktemp("map")
    settings = folder / "tailrace.yaml"
    settings.write_text(
        f"store: {{enabled: on, path: {folder / 'store'}}}\n"
        "web: {enabled: on, listen: '127.0.0.1:0', requests_per_second: 1000}\n"
        "http: {enabled: on, children: 1000}\nprocess: {executions: off}\nnat: {source: off}\n"
    )
    command = [TAILRACE, "run", "--config", str(settings), "--sink", f"jsonl:{folder / 'rows.jsonl'}"]
    kept = os.environ | {"TAILRACE_STORE_ENABLED": "on"}
    said = folder / "said"
    with said.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=kept)
    try:
        begun = until(
            lambda: process.poll() is not None or "the map is at" in said.read_text(), START_SECONDS
        )
        assert begun, said.read_text()
        assert process.poll() is None, said.read_text()
        url = said.read_text().partition("the map is at ")[2].split()[0]
        assert until(lambda: answer(url, "edges")["of"] > 0, START_SECONDS), (
            "it does not see that it is asked"
        )
        yield url
    finally:
        process.kill()
        process.wait()


def answer(address: str, question: str, **said: Any) -> Any:
    """What the API says of the last two minutes."""
    words = {"from": int(time.time()) - 120, "to": int(time.time()) + 1, **said}
    with urlopen(f"{address}/api/v1/{question}?{urlencode(words)}") as response:
        return json.load(response)["data"]


def asked(address: str, port: int) -> Counts:
    """Requests to a port, by method, route and status."""
    counts: Counts = Counter()
    for row in answer(address, "endpoints", q=f"port:{port}", limit=1000)["endpoints"]:
        counts[row["method"], row["route"], row["status"]] += row["requests"]
    return named(counts)


def named(counts: Counts) -> Counts:
    """What a server does not have has no route of its own."""
    found: Counts = Counter()
    for (method, route, status), count in counts.items():
        found[method, "" if status == 404 else route, status] += count
    return found


def test_the_map_has_the_requests_of_the_servers_log(address: str, tmp_path: Path) -> None:
    """For each method, route and status; by edge, and found by what they were of."""
    with traffic.nginx(tmp_path) as server:
        traffic.keep_alive(server.port)
        traffic.one_each(server.port)
        expected = named(folded(server.answered()))
        until(lambda: asked(address, server.port) == expected, SETTLE_SECONDS)
        assert asked(address, server.port) == expected
        failed = sum(count for (_, _, status), count in expected.items() if status >= 500)
        edges = [row["edge"] for row in answer(address, "edges", q=f"port:{server.port}")["rows"]]
        assert sum(edge["requests"] for edge in edges) == expected.total()
        assert sum(edge["requests_failed"] for edge in edges) == failed > 0
        assert any(edge["request_ns"] and edge["request_ns"]["p50"] > 0 for edge in edges)
        for status in {status for _, _, status in expected}:
            found = answer(address, "edges", q=f"port:{server.port} status:{status}")
            assert found["of"] > 0
        assert answer(address, "edges", q=f"port:{server.port} status:418")["of"] == 0
