"""Whether everything is seen: nginx and wrk at full speed, one connection per request, every connection and byte.

The truth of connections is nginx's own count; that of bytes is the fixed size of request and answer, for each
request that wrk saw answered. The connections that wrk had under way when it ended may have moved less.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figure import Bar, Reading
from benchmarks.peers.seen import SS_LIVE, SS_WAITING, Seen, ss_seen, tcplife_seen
from benchmarks.rows_file import CLOSED, LOCAL, OPENED, PEER, RX, TX, Numbers, Rows, read_rows
from benchmarks.watchers import TCPLIFE, polling_ss, tailrace
from benchmarks.web import Asked, Served, Web, web
from model.errors import TailraceError

SECONDS: Final = 10
CONNECTIONS: Final = 32
#: From the end of the load until what was under way has ended and the last window is cut.
LAST_SECONDS: Final = 2.5


@dataclass(frozen=True)
class Load:
    """What was asked, and what nginx and wrk say of it."""

    port: int
    request_bytes: int
    answer_bytes: int
    served: Served
    asked: Asked


@dataclass(frozen=True)
class Watched:
    """One load and what was reported of it."""

    load: Load
    rows: Rows


def full_speed(site: Web, watchers: Iterable[AbstractContextManager[object]]) -> Load:
    """Plays the load while all of ``watchers`` watch, who see none of the questions for nginx's count."""
    answer, before = site.answer_bytes(), site.served()
    with ExitStack() as stack:
        for watcher in watchers:
            stack.enter_context(watcher)
        asked = site.wrk(SECONDS, CONNECTIONS, close=True)
        time.sleep(LAST_SECONDS)
    return Load(site.port, len(site.request), answer, site.served() - before, asked)


@cache
def watched() -> Watched:
    """The load with Tailrace, once for both figures."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        output = Path(folder, "rows.jsonl")
        load = full_speed(site, [tailrace(output)])
        return Watched(load, read_rows(output, load.port))


@cache
def watched_by_tcplife() -> tuple[Load, Seen]:
    """The same load with tcplife."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        output = Path(folder, "lives")
        load = full_speed(site, [TCPLIFE.start(output)])
        return load, tcplife_seen(output, load.port)


@cache
def watched_by_ss() -> tuple[Load, Seen, Seen]:
    """The same load with ss, once for sockets that live and once for all, also those that only wait."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        live, waiting = Path(folder, "live"), Path(folder, "waiting")
        load = full_speed(site, [polling_ss(live, "-tinH"), polling_ss(waiting, "-tanH")])
        return load, ss_seen(live, load.port), ss_seen(waiting, load.port)


def measure_connections() -> Iterator[Reading]:
    """Percent of nginx's connections that were reported as opened and closed, at both ends."""
    seen = watched()
    truth = seen.load.served.handled
    ends = [
        int(rows[:, column].sum())
        for rows in (seen.rows.clients, seen.rows.servers)
        for column in (OPENED, CLOSED)
    ]
    share = 100 * (1 - max(abs(count - truth) for count in ends) / truth)
    dropped = seen.rows.dropped or "nothing"
    note = f"{truth:,} connections; opened and closed, client then server end: {ends}; lost: {dropped}"
    bar = Bar(at_least=100)
    for name, peer_share, remark in _peer_shares():
        yield Reading(share, "%", bar, name, peer_share, "more", f"{note}; peer: {remark}")


def _peer_shares() -> Iterator[tuple[str, float | None, str]]:
    """Name, percent of the sockets that could be seen, remark."""
    try:
        load, lives = watched_by_tcplife()
        yield TCPLIFE.name, *_share(load, lives)
    except TailraceError as error:
        yield TCPLIFE.name, None, str(error)
    load, live, waiting = watched_by_ss()
    yield SS_LIVE, *_share(load, live)
    yield SS_WAITING, *_share(load, waiting)


def _share(load: Load, seen: Seen) -> tuple[float, str]:
    truth = seen.ends * load.served.handled
    return 100 * seen.sockets / truth, f"{seen.sockets:,} of {truth:,} {seen.remark}"


def measure_bytes() -> Iterator[Reading]:
    """Bytes by which reports and truth differ, over all connections."""
    seen = watched()
    between, beyond = ends_differ(seen.rows), truth_differs(seen.load, seen.rows)
    asked, sizes = seen.load.asked, (seen.load.request_bytes, seen.load.answer_bytes)
    note = (
        f"{between} between the two ends, {beyond} from request and answer; {asked.requests * sum(sizes):,} bytes"
        f" in {asked.requests:,} answered requests of {sizes[0]} + {sizes[1]} ({asked.errors} failed)"
    )
    for name, peer_off, remark in _peer_bytes():
        off = float(between + beyond)
        yield Reading(off, "bytes", Bar(at_most=0), name, peer_off, "less", f"{note}; {remark}")


def _peer_bytes() -> Iterator[tuple[str, float | None, str]]:
    try:
        load, seen = watched_by_tcplife()
    except TailraceError as error:
        yield TCPLIFE.name, None, f"peer: {error}"
        return
    truth = load.asked.requests * (load.request_bytes + load.answer_bytes)
    yield TCPLIFE.name, float(abs(truth - seen.bytes)), f"peer: of {truth:,}, it prints whole KB"


def ends_differ(rows: Rows) -> int:
    """Bytes by which what one end sent and the other received differ, summed over pairs of ports."""
    sums = np.zeros((4, 65536), np.int64)
    for number, (side, port, column) in enumerate(
        (
            (rows.clients, LOCAL, TX),
            (rows.servers, PEER, RX),
            (rows.clients, LOCAL, RX),
            (rows.servers, PEER, TX),
        )
    ):
        np.add.at(sums[number], side[:, port], side[:, column])
    return int(np.abs(sums[0] - sums[1]).sum() + np.abs(sums[2] - sums[3]).sum())


def truth_differs(load: Load, rows: Rows) -> int:
    """Bytes by which the client ends of all answered requests are off, and those that the others are above it."""
    off = np.sort(_off(load, whole_lives(rows.clients)))
    missing = max(0, load.asked.requests - len(off)) * (load.request_bytes + load.answer_bytes)
    return int(off[: load.asked.requests].sum()) + missing


def whole_lives(clients: Numbers) -> Numbers:
    """Rows that report all of a socket: those that opened and closed within a second, and sums of the others."""
    whole = (clients[:, OPENED] == 1) & (clients[:, CLOSED] == 1)
    parts = clients[~whole]
    ports, place = np.unique(parts[:, LOCAL], return_inverse=True)
    sums = np.zeros((len(ports), 6), np.int64)
    np.add.at(sums, place, parts)
    return np.concatenate((clients[whole], sums))


def _off(load: Load, lives: Numbers) -> Numbers:
    off: Numbers = np.abs(lives[:, TX] - load.request_bytes) + np.abs(lives[:, RX] - load.answer_bytes)
    return off
