"""Requests through an Envoy: how many are linked to the one that answered them, and how many to another."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import web
from benchmarks.children import find, finish
from benchmarks.figure import Bar, Reading
from benchmarks.peers.headers import script_environment
from benchmarks.watchers import tailrace
from tests.beds.envoys import Cluster, Envoy, Listener, Settings, certificates, envoy, free_ports

SECONDS: Final = 5
CONNECTIONS: Final = 32
#: Of HTTP/2, at once on each of them, and at most on each of the Envoy's own.
STREAMS: Final = 8
#: Of HTTP/2: all are answered. At the end of a number of seconds those under way are reset, which Envoy logs, too.
REQUESTS: Final = 20_000
#: From the end of the load until its last window is written, and the Envoys have written their logs.
LAST_SECONDS: Final = 4
PEER: Final = "by thread and order"
#: By the ports of both connections of a proxy.
Pairs = Counter[tuple[int, int]]


def measure() -> Iterator[Reading]:
    """Percent of requests linked as the Envoy logs them, then those linked otherwise; in clear text and TLS."""
    for http2, secure in ((False, False), (False, True), (True, False), (True, True)):
        logged, linked, guessed = _run(secure=secure, http2=http2)
        total, right, wrong = logged.total(), (logged & linked).total(), (linked - logged).total()
        share, peer = (100 * (logged & pairs).total() / total for pairs in (linked, guessed))
        what = f"HTTP/{2 if http2 else 1}, {'mutual TLS' if secure else 'clear text'}"
        beside = (guessed - logged).total()
        note = f"{what}, {CONNECTIONS} connections: {right:,} of {total:,}; peer: {beside:,} wrong"
        yield Reading(share, "%", Bar(at_least=99.5), PEER, peer, "more", note)
        yield Reading(wrong, "wrong links", Bar(at_most=0), note=what)


def _run(*, secure: bool, http2: bool) -> tuple[Pairs, Pairs, Pairs]:
    """What the first of two Envoys logged, what rows say, and what the peer guessed; the second is its server."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-bench-")))
        site = stack.enter_context(web.web())
        tls = certificates(folder) if secure else None
        port, inner = free_ports(2)
        behind = Settings([Listener(inner, {"/": "own"}, secure)], {"own": Cluster(site.port)}, logged=False)
        before = Settings([Listener(port, {"/": "next"})], {"next": Cluster(inner, secure, http2, STREAMS)})
        stack.enter_context(envoy(folder / "behind", behind, tls))
        proxy = stack.enter_context(envoy(folder / "before", before, tls))
        rows = folder / "rows.jsonl"
        stack.enter_context(tailrace(rows, "requests,flows", "on"))
        time.sleep(LAST_SECONDS)  # probes are in the Envoys
        with _guessing(proxy, port, inner) as guess:
            if http2:
                load = ["-n", str(REQUESTS), "-c", str(CONNECTIONS), "-m", str(STREAMS)]
                finish([find("h2load", "nghttp2-client"), *load, f"http://127.0.0.1:{port}/"], 120)
            else:
                web.ask(f"http://127.0.0.1:{port}/", SECONDS, CONNECTIONS, close=False)
            guessed = Counter({(down, up): count for down, up, count in _ended(guess)})
        time.sleep(LAST_SECONDS)
        logged: Pairs = Counter()
        for (down, up, *_), count in proxy.passed().items():
            logged[down, up] += count
        return logged, _linked(rows, proxy.pid), guessed


@contextlib.contextmanager
def _guessing(proxy: Envoy, port: int, server_port: int) -> Iterator["subprocess.Popen[str]"]:
    numbers = [str(number) for number in (proxy.pid, port, server_port)]
    command = [sys.executable, "-m", "benchmarks.peers.thread_order", *numbers]
    env, pipe = {**os.environ, **script_environment()}, subprocess.PIPE
    child = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
    try:
        assert child.stdout
        child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.wait()


def _ended(child: "subprocess.Popen[str]") -> Any:
    return json.loads(child.communicate("")[0].splitlines()[-1])


def _linked(rows: Path, proxy: int) -> Pairs:
    """What rows say of one proxy."""
    parsed = [json.loads(line) for line in rows.read_text().splitlines()]
    ports = {row["connection.id"]: row["client.port"] for row in parsed if row["kind"] == "flow"}
    found: Pairs = Counter()
    for row in parsed:
        if row["kind"] == "request" and row.get("via.process.pid") == proxy:
            found[row["client.port"], ports.get(row["via.connection.id"], 0)] += row["requests"]
    return found
