"""What is left of a load's rate while requests of HTTP are counted, against Tailrace without them."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.children import find, finish, running
from benchmarks.figure import Bar, Reading
from benchmarks.watchers import tailrace
from benchmarks.web import Web, free_port, web

SECONDS: Final = 4
CONNECTIONS: Final = 32
ROUNDS: Final = 5
#: Commands of Redis, on so many connections, so many at once on each.
COMMANDS: Final = 3_000_000
PIPELINED: Final = 16
PEER: Final = "http.enabled: off"


def measure_redis() -> Iterator[Reading]:
    """Commands of Redis with pipelining, which is no HTTP."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        server = [find("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
        server += ["--save", "", "--dir", folder]
        with running(server, ready=lambda _: _answers(port)):
            yield _kept(lambda: _commands(port), "commands", Bar(at_least=0.99))


def measure_web(*, close: bool) -> Iterator[Reading]:
    """Requests of wrk to nginx.

    :param close: a connection for each.
    """

    def rate(site: Web) -> float:
        return site.wrk(SECONDS, CONNECTIONS, close=close).per_second

    with web() as site:
        rate(site)
        yield _kept(lambda: rate(site), "connections" if close else "requests")


def _kept(rate: Callable[[], float], what: str, bar: Bar | None = None) -> Reading:
    """The median share of pairs, with and without."""
    shares, plain = [], []
    for _ in range(ROUNDS):
        rates = {}
        for http in ("off", "on"):
            with tailrace(Path("/dev/null"), "requests" if http == "on" else "flows", http):
                rates[http] = rate()
        shares.append(rates["on"] / rates["off"])
        plain.append(rates["off"])
    note = f"{ROUNDS} pairs {min(shares):.3f}..{max(shares):.3f}, {median(plain):,.0f} {what}/s without"
    return Reading(median(shares), "share", bar or Bar(), PEER, 1.0, "more", note)


def _commands(port: int) -> float:
    """Commands a second."""
    load = [find("redis-benchmark", "redis-tools"), "-p", str(port), "-t", "get", "-q"]
    load += ["-n", str(COMMANDS), "-P", str(PIPELINED), "-c", str(CONNECTIONS)]
    said = finish(load, 120)
    return float(re.findall(r"([\d.]+) requests per second", said)[-1])


def _answers(port: int) -> bool:
    """Whether the server listens."""
    return f"0100007F:{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()
