"""What counting dropped packets costs under a flood, and whether it is exact: datagrams that a rule drops.

The flood comes in a network namespace of its own, where iptables drops and counts it before anything else is done.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.children import finish
from benchmarks.figure import Bar, Reading
from benchmarks.kernel_stats import counted, runs
from benchmarks.native import built
from engine.config import Config
from probes.attached import AttachedProbes
from probes.drops.config import DropsConfig
from probes.envoy.config import EnvoyConfig
from probes.http.config import HttpConfig
from probes.registry import PROBES
from probes.selection import Selection

SECONDS: Final = 2
#: Ports from this one on get the datagrams.
PORT: Final = 20000
#: Ports of one flood: one tuple, many that have a cell each, and more than there are cells.
FLOODS: Final = (1, 1000, 12_000)
_PROGRAM: Final = "packet_dropped"
#: Threads that send.
SENDERS: Final = 2
_RULE: Final = f"PREROUTING -p udp --dport {PORT}:{PORT + max(FLOODS)} -j DROP"


@contextlib.contextmanager
def _ours() -> Iterator[AttachedProbes]:
    quiet = {"http": HttpConfig(enabled="off"), "envoy": EnvoyConfig(enabled="off")}
    probes = AttachedProbes(Selection(Config(drops=DropsConfig("on"), **quiet), PROBES))  # type: ignore[arg-type]
    probes.start()
    try:
        yield probes
    finally:
        probes.close()


@contextlib.contextmanager
def _namespace() -> Iterator[list[str]]:
    """The beginning of a command that runs in a namespace with loopback and the rule."""
    name = f"tailrace-drops-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        subprocess.run([*inside, "iptables", "-w", "-t", "raw", "-I", *_RULE.split()], check=True)
        yield inside
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def _dropped(inside: list[str]) -> int:
    """What the rule has dropped."""
    command = [*inside, "iptables", "-w", "-t", "raw", "-nvxL", "PREROUTING"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(int(line.split()[0]) for line in lines if "DROP" in line and "dpts" in line)


def measure_cost() -> Iterator[Reading]:
    """Nanoseconds for each dropped packet, with what measuring takes; percent of iptables' count told; memory."""
    with built("flood") as sender, counted(), _ours() as ours, _namespace() as inside:
        before = _resident()
        for ports in FLOODS:
            yield from _flood(sender, ours, inside, ports)
        note = (
            f"of this process, beside maps that are as large from the start on: {DropsConfig().cells:,} cells"
        )
        yield Reading((_resident() - before) / 1e6, "MB", Bar(at_most=16), note=note)


def _resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _flood(sender: Path, ours: AttachedProbes, inside: list[str], ports: int) -> Iterator[Reading]:
    assert ours.drops
    ours.drops.read()
    spent, truth = runs(ours.programs[_PROGRAM]), _dropped(inside)
    finish([*inside, sender, str(PORT), str(ports), str(SECONDS), str(SENDERS)], SECONDS + 30)
    spent, truth = runs(ours.programs[_PROGRAM]) - spent, _dropped(inside) - truth
    told = ours.drops.read()
    told = told[told["reason_name"] == b"NETFILTER_DROP"]
    found, folded = int(told["count"].sum()), int(told["count"][told["fold"] != 0].sum())
    note = (
        f"{truth / SECONDS:,.0f} packets/s to {ports:,} ports; {len(told):,} cells, {folded:,} packets folded"
    )
    yield Reading(spent.each or 0.0, "ns", Bar(at_most=300), note=note)
    yield Reading(
        100 * found / truth, "%", Bar(at_least=100, at_most=100), note=f"of {truth:,} that iptables counted"
    )
