"""The stream load: iperf3, one connection over loopback."""

import json
from pathlib import Path

from benchmarks.children import find, finish, running
from benchmarks.web import free_port


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
