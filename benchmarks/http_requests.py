"""Requests of HTTP/1: whether all are counted at both ends at full speed, and what counting costs their server."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import stream
from benchmarks.figure import Bar, Reading
from benchmarks.peers.event_parser import event_seconds
from benchmarks.procfs import cpu_time
from benchmarks.watchers import tailrace
from benchmarks.web import Web, web

SECONDS: Final = 5
CONNECTIONS: Final = 32
ROUNDS: Final = 5
#: From the end of the load until its last window is cut and written.
LAST_SECONDS: Final = 2.5
#: Stands for what is compared.
PEER: Final = "http.enabled: off"


def measure_exact() -> Iterator[Reading]:
    """Percent of nginx's requests that each end counted, of connections that are kept alive."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        output = Path(folder, "rows.jsonl")
        with tailrace(output, "requests", "on") as child:
            before, spent = site.served(), cpu_time(child.pid)
            asked = site.wrk(SECONDS, CONNECTIONS, close=False)
            time.sleep(LAST_SECONDS)
            used = cpu_time(child.pid) - spent
            served = (site.served() - before).requests
            time.sleep(LAST_SECONDS)
        ends = [_counted(output, site.port, end) for end in ("client", "server")]
    share = 100 * (1 - max(abs(count - served) for count in ends) / served)
    cpu = 100 * used.user / asked.seconds
    note = f"{served:,} requests, client and server end {ends}; user-space {cpu:.2f} % of a core"
    yield Reading(share, "%", Bar(at_least=100), "", None, "more", note)


def _counted(output: Path, port: int, end: str) -> int:
    """Requests of the load's path that one end counted."""
    rows = (json.loads(line) for line in output.read_text().splitlines())
    return sum(
        row.get(f"{end}.requests", 0)
        for row in rows
        if row.get("server.port") == port and row.get("http.route") == "/"
    )


def measure_server() -> Iterator[Reading]:
    """Processor time of the server for each request, as a multiple of that without the probe."""
    with web() as site:
        site.wrk(SECONDS, CONNECTIONS, close=False)
        pairs = [(_microseconds(site, "off"), _microseconds(site, "on")) for _ in range(ROUNDS)]
    ratio = median(counted / plain for plain, counted in pairs)
    plain, counted = (median(each) for each in zip(*pairs, strict=True))
    note = f"{ROUNDS} pairs, {plain:.2f} and {counted:.2f} µs a request"
    yield Reading(ratio, "x", Bar(at_most=1.08), PEER, 1.0, "less", note)


def _microseconds(site: Web, http: str) -> float:
    """Of the server's processor, for each request."""
    with tailrace(Path("/dev/null"), "requests" if http == "on" else "flows", http):
        before = site.worker_seconds()
        asked = site.wrk(SECONDS, CONNECTIONS, close=False)
        return 1e6 * (site.worker_seconds() - before) / asked.requests


def measure_user() -> Iterator[Reading]:
    """Percent of a processor that counted requests take in user space, beside what connections take."""
    shares: dict[str, list[float]] = {"off": [], "on": []}
    rates = []
    with web() as site:
        site.wrk(SECONDS, CONNECTIONS, close=False)
        for _ in range(ROUNDS):
            for http, share in shares.items():
                with tailrace(Path("/dev/null"), "flows", http) as child:
                    before = cpu_time(child.pid)
                    asked = site.wrk(SECONDS, CONNECTIONS, close=False)
                    share.append(100 * (cpu_time(child.pid) - before).user / asked.seconds)
                    rates.append(asked.requests / asked.seconds)
    rate = median(rates)
    taken = max(0.0, median(shares["on"]) - median(shares["off"]))
    peer = 100 * 2 * rate * event_seconds(100_000) / 100_000  # of both ends
    note = f"{rate:,.0f} requests/s, {ROUNDS} pairs, {median(shares['on']):.2f} and {median(shares['off']):.2f} %"
    yield Reading(taken, "%", Bar(at_most=0.3), "a Python parser of an event each", peer, "less", note)


def measure_stream() -> Iterator[Reading]:
    """Share of one stream's throughput, which is no HTTP, that is left."""
    shares = []
    for _ in range(ROUNDS):
        rates = {}
        for http in ("off", "on"):
            with tailrace(Path("/dev/null"), "flows", http):
                rates[http] = stream.gigabits(2)
        shares.append(rates["on"] / rates["off"])
    note = f"{ROUNDS} pairs {min(shares):.3f}..{max(shares):.3f}"
    yield Reading(median(shares), "share", Bar(at_least=0.99), PEER, 1.0, "more", note)
