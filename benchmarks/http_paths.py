"""A hundred thousand paths that differ: all of their requests are counted, in memory that does not grow with them."""

import json
import re
import socket
import string
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Final

from benchmarks.children import Child
from benchmarks.figure import Bar, Reading
from benchmarks.watchers import tailrace
from benchmarks.web import Web, web
from model.kinds.request import OTHER

PATHS: Final = 100_000
#: Kinds of requests that the kernel can count: each path that is kept apart is one at either end.
CELLS: Final = 65536
#: Requests in one write.
AT_ONCE: Final = 10
#: From the end of the load until its last window is cut and written.
LAST_SECONDS: Final = 4


def measure() -> Iterator[Reading]:
    """Percent of requests that the server's end counted, each of another path of letters."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder, web() as site:
        output = Path(folder, "rows.jsonl")
        with tailrace(output, "requests", "on", CELLS) as child:
            time.sleep(LAST_SECONDS)
            before = _resident(child)
            _ask(site)
            time.sleep(LAST_SECONDS)
            grown = _resident(child) - before
        counted, other = _counted(output, site.port)
    note = (
        f"{counted:,} of {PATHS:,}, {other:,} of them as `{OTHER}`; resident memory grew by {grown >> 20} MB"
    )
    yield Reading(100 * counted / PATHS, "%", Bar(at_least=100), better="more", note=note)


def _ask(site: Web) -> None:
    """Asks for each path once, on one connection."""
    letters = product(string.ascii_lowercase, repeat=4)
    words = ["".join(each) for each in islice(letters, PATHS)]
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        for begin in range(0, PATHS, AT_ONCE):
            some = words[begin : begin + AT_ONCE]
            asked = "".join(f"GET /{word[:2]}/{word[2:]} HTTP/1.1\r\nHost: x\r\n\r\n" for word in some)
            connection.sendall(asked.encode())
            answers = b""
            while answers.count(b"HTTP/1.1 200") < len(some) or not answers.endswith(b"x" * 100):
                answers += connection.recv(65536)


def _resident(child: Child) -> int:
    """Bytes of the process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text())
    return int(found[1]) << 10 if found else 0


def _counted(output: Path, port: int) -> tuple[int, int]:
    """Requests that the server's end counted; of these, those without a route of their own."""
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    mine = [
        (row.get("server.requests", 0), row.get("http.route"))
        for row in rows
        if row.get("server.port") == port
    ]
    return sum(count for count, _ in mine), sum(count for count, route in mine if route == OTHER)
