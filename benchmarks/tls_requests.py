"""Requests in TLS: what reading them costs their server, beside probes at the library's exported functions."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.children import holds_uprobes
from benchmarks.figure import Bar, Reading
from benchmarks.watchers import tailrace
from benchmarks.web import Web, web
from model.errors import TailraceError
from model.probe import Hook, Place
from probes.kernel.headers import find_headers
from probes.kernel.loader import load
from probes.userspace.mapped import mapped_code

SECONDS: Final = 4
CONNECTIONS: Final = 16
ROUNDS: Final = 3
ATTACH_SECONDS: Final = 60
PEER: Final = "probes at SSL_read and SSL_write"
_SOURCE: Final = Path(__file__).parent / "bpf/exported_calls.c"


def measure_server() -> Iterator[Reading]:
    """Microseconds of the server's processor that counting adds to a request."""
    with web(tls=True) as site:
        site.wrk(SECONDS, CONNECTIONS, close=False)
        rounds = [
            tuple(_microseconds(site, watch) for watch in (_off(), _ours(), _exported(site)))
            for _ in range(ROUNDS)
        ]
    ours = median(counted - plain for plain, counted, _ in rounds)
    peer = median(probed - plain for plain, _, probed in rounds)
    plain = median(each[0] for each in rounds)
    note = f"{ROUNDS} rounds; {plain:.2f} µs a request without"
    yield Reading(ours, "µs", Bar(at_most=5), PEER, peer, "less", note)


def _microseconds(site: Web, watch: AbstractContextManager[object]) -> float:
    """Of the server's processor, for each request."""
    with watch:
        site.wrk(1, CONNECTIONS, close=False)
        before = site.worker_seconds()
        asked = site.wrk(SECONDS, CONNECTIONS, close=False)
        return 1e6 * (site.worker_seconds() - before) / asked.requests


def _off() -> AbstractContextManager[object]:
    return tailrace(Path("/dev/null"), "flows", "off")


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """Once its probes are in the library."""
    with tailrace(Path("/dev/null"), "requests", "on") as child:
        until = time.monotonic() + ATTACH_SECONDS
        while not holds_uprobes(child):
            if time.monotonic() > until:
                raise TailraceError("tailrace put no probe into a library", "see `tailrace inspect PID`")
            time.sleep(0.1)
        time.sleep(1)
        yield


@contextlib.contextmanager
def _exported(site: Web) -> Iterator[None]:
    """Programs at the entry and the return of the exported functions, as other tools place them."""
    library = next((file.name for file in mapped_code(site.worker) if "libssl" in file.name), None)
    if library is None:
        raise TailraceError("nginx has no libssl.so", "install nginx of the distribution")
    places = [Place(library, symbol=symbol) for symbol in ("SSL_read", "SSL_write")]
    hooks = [Hook("entered", kind="uprobe", place=place) for place in places]
    hooks += [Hook("returned", kind="uretprobe", place=place) for place in places]
    with _off(), contextlib.ExitStack() as stack:
        loaded = load(
            _SOURCE.read_text(), headers=find_headers(), defines={"KERNEL_BTF": 1}, maps=[], hooks=hooks
        )
        stack.callback(loaded.close)
        for hook in hooks:
            stack.callback(loaded.attach_hook(hook).close)
        yield
