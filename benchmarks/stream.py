"""The stream load: iperf3, one connection over loopback."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.children import Child, find, finish, running
from benchmarks.web import free_port

#: Bytes after which a stream is at its full rate.
_STARTED: Final = 1 << 30


def gigabits(seconds: int) -> float:
    """Gbit/s received in a run of so many seconds."""
    iperf3, port = find("iperf3", "iperf3"), free_port()
    server = [iperf3, "-s", "-1", "-B", "127.0.0.1", "-p", str(port)]
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    with running(server, ready=lambda _: listening in Path("/proc/net/tcp").read_text()):
        client = [iperf3, "-c", "127.0.0.1", "-p", str(port), "-t", str(seconds), "-J"]
        report = json.loads(finish(client, seconds + 30))
    bits: float = report["end"]["sum_received"]["bits_per_second"]
    return bits / 1e9


@contextlib.contextmanager
def flowing(seconds: int) -> Iterator[Callable[[], int]]:
    """A stream of at most so many seconds over the loopback of a network namespace of its own.

    :returns: what tells how many bytes have come by now, with the heads of packets.
    """
    iperf3 = find("iperf3", "iperf3")
    client = f"until {iperf3} -c 127.0.0.1 -t {seconds}; do sleep 0.1; done"
    script = f"ip link set lo up; {iperf3} -s -1 & {client}"
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with running(command, ready=lambda child: _is_apart(child) and _received(child) > _STARTED) as child:
        yield lambda: _received(child)


def _is_apart(child: Child) -> bool:
    ours, theirs = (Path(f"/proc/{process}/ns/net").readlink() for process in ("self", child.pid))
    return ours != theirs


def _received(child: Child) -> int:
    """Bytes that came over its loopback."""
    lines = Path(f"/proc/{child.pid}/net/dev").read_text().splitlines()
    (loopback,) = (line.split() for line in lines if line.split()[0] == "lo:")
    return int(loopback[1])
