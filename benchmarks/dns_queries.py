"""Queries of DNS at a steady rate, against the log of the server that answers them; and what watching them takes."""

import contextlib
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dns.message
import dns.rrset

from benchmarks.children import Child, find, finish, holds, running
from benchmarks.figure import Bar, Reading
from benchmarks.procfs import cpu_time
from benchmarks.watchers import tailrace
from model.errors import TailraceError

ADDRESS: Final = "127.0.77.1"
RATE: Final = 5000
SECONDS: Final = 10
NAMES: Final = 2000
CLIENTS: Final = 20
#: From the end of the load until its last window is cut and written.
LAST_SECONDS: Final = 3.0
PEER: Final = "dnspython, a packet at a time"
_CONFIG: Final = """
server:
    interface: {address}
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    logfile: "{folder}/unbound.log"
    use-syslog: no
    log-replies: yes
    local-zone: "bench." static
{names}
remote-control:
    control-enable: no
"""
_REPLY: Final = re.compile(r"info: \S+ (\S+)\. (\S+) IN (\S+) [\d.]+ \d+ \d+")
#: Name, type, response code.
Counts = Counter[tuple[str, str, str]]


def measure() -> Iterator[Reading]:
    """Percent of answers that both ends counted under the right name, and percent of a processor in user space."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        folder, output = Path(name), Path(name, "rows.jsonl")
        with _unbound(folder), tailrace(output, "queries") as child:
            spent, quiet = _quiet(child)
            _load(folder)
            time.sleep(LAST_SECONDS)
            used = cpu_time(child.pid).user - spent
            _settle(output)
        logged, counted = _logged(folder), _counted(output)
    total = sum(logged.values())
    off = sum(abs(logged[key] - counted[key]) for key in logged | counted)
    note = f"{total:,} answers in {SECONDS} s over UDP, {NAMES:,} names; off by {off}"
    yield Reading(100 * (1 - off / total), "%", Bar(at_least=100), "", None, "more", note)
    packets = 4 * total  # question and answer, at both ends
    peer = 100 * _parse_seconds() * packets / SECONDS
    share = 100 * (used - quiet * (SECONDS + LAST_SECONDS)) / SECONDS
    note = f"both ends on this machine: {packets / SECONDS:,.0f} packets/s; beside {100 * quiet:.1f} % without load"
    yield Reading(share, "%", Bar(at_most=4), PEER, peer, "less", note)


def _quiet(child: Child) -> tuple[float, float]:
    """User time so far, and of each second without load."""
    before = cpu_time(child.pid).user
    time.sleep(3)
    after = cpu_time(child.pid).user
    return after, (after - before) / 3


def _settle(output: Path) -> None:
    """Waits until no more rows come: on a busy machine they are written long after."""
    size, deadline = -1, time.monotonic() + 60
    while output.stat().st_size != size and time.monotonic() < deadline:
        size = output.stat().st_size
        time.sleep(LAST_SECONDS)


@contextlib.contextmanager
def _unbound(folder: Path) -> Iterator[None]:
    names = "\n".join(
        f'    local-data: "n{number}.bench. 60 IN A 192.0.2.1"' for number in range(0, NAMES, 2)
    )
    config = folder / "unbound.conf"
    config.write_text(_CONFIG.format(address=ADDRESS, folder=folder, names=names))
    with running([find("unbound", "unbound"), "-c", str(config), "-d"], ready=holds("[eventpoll]")):
        time.sleep(1)
        yield


def _load(folder: Path) -> None:
    """Half of the names exist."""
    asked = folder / "asked"
    asked.write_text("".join(f"n{number}.bench A\n" for number in range(NAMES)))
    load = ["-s", ADDRESS, "-d", str(asked), "-Q", str(RATE), "-l", str(SECONDS), "-c", str(CLIENTS)]
    said = finish([find("dnsperf", "dnsperf"), *load], 60 + SECONDS)
    if not re.search(r"Queries completed:\s+[1-9]", said):
        raise TailraceError("dnsperf got no answers")


def _logged(folder: Path) -> Counts:
    return Counter(key for key in _REPLY.findall((folder / "unbound.log").read_text()) if "bench" in key[0])


def _counted(output: Path) -> Counts:
    """What both ends agree on."""
    ends: dict[str, Counts] = {"client": Counter(), "server": Counter()}
    for row in map(json.loads, output.read_text().splitlines()):
        if row.get("server.address") == ADDRESS:
            key = (
                row.get("dns.question.name", ""),
                row.get("dns.question.type", ""),
                row["dns.response.code"],
            )
            for end, counts in ends.items():
                counts[key] += row.get(f"{end}.queries", 0)
    return ends["client"] & ends["server"]


def _parse_seconds() -> float:
    """Processor time that dnspython takes for a packet: questions and answers in turn."""
    asked = dns.message.make_query("n100.bench", "A")
    answer = dns.message.make_response(asked)
    answer.answer.append(dns.rrset.from_text("n100.bench.", 60, "IN", "A", "192.0.2.1"))
    wires = [asked.to_wire(), answer.to_wire()]
    begun, count = time.process_time(), 2000
    for number in range(count):
        dns.message.from_wire(wires[number % 2])
    return (time.process_time() - begun) / count
