"""Limits: memory of the maps and of compiling, the ring, slots, locked memory, open files."""

import os
import resource
from pathlib import Path

from probes.checks.check import Check
from probes.checks.privileges import read_capabilities
from probes.kernel.compilation import COMPILER_BYTES
from probes.kernel.headers import version_numbers
from probes.kernel.layout import shared_record
from probes.kernel.memory import available_bytes, map_bytes
from probes.selection import Selection
from probes.sources import read_sources

#: Descriptors that the probe holds, and as many for sinks and connections.
OPEN_FILES = 128
#: Descriptors without which no probe starts.
LEAST_OPEN_FILES = 64
#: From here on maps are charged to the memory cgroup instead of RLIMIT_MEMLOCK.
_CGROUP_CHARGED = (5, 11)


def megabytes(count: int) -> str:
    """``67.0 MB``."""
    return f"{count / 1e6:,.1f} MB"


def check_memory(selection: Selection) -> Check:
    """The kernel memory of all maps: taken whole at the start."""
    need, left = _map_bytes(selection), available_bytes()
    slots = selection.config.tcp.slots
    found = f"{megabytes(need)} of kernel memory for {slots:,} slots; {megabytes(left)} available"
    if need < left:
        return Check("map memory", "ok", found, required=True)
    remedy = "lower tcp.slots or tcp.ring_bytes, or raise the memory limit of the container"
    return Check("map memory", "missing", found, "the maps cannot be made", remedy, required=True)


def _map_bytes(selection: Selection) -> int:
    text = "\n".join(read_sources(probe) for probe in selection.wanted)
    return sum(map_bytes(text, selection.defines).values())


def check_compiler_memory() -> Check:
    """What the compiler process holds for some seconds where no compiled programs are kept."""
    left = available_bytes()
    found = (
        f"{megabytes(COMPILER_BYTES)} for some seconds at a start that compiles; {megabytes(left)} available"
    )
    if left > COMPILER_BYTES:
        return Check("compiler memory", "ok", found)
    cost = "the compiler may be killed"
    return Check(
        "compiler memory", "degraded", found, cost, "free memory, or raise the limit of the container"
    )


def check_ring(selection: Selection) -> Check:
    """Room for events between two reads, at most 0.1 s apart.

    The last byte is never used (kernel: __bpf_ringbuf_reserve), so one record less fits than the size says.
    """
    size = selection.config.tcp.ring_bytes
    events = size // shared_record().itemsize - 1
    return Check("ring", "ok", f"{megabytes(size)}: {events:,} opens, closes and names may wait")


def check_slots(selection: Selection) -> Check:
    """Sockets open now, of this network namespace only: ``inuse`` of /proc/net/sockstat, and of sockstat6."""
    used = sum(_in_use(Path("/proc/net", name)) for name in ("sockstat", "sockstat6"))
    slots = selection.config.tcp.slots
    found = f"{slots:,}; {used:,} TCP sockets in use in this network namespace"
    if used < slots:
        return Check("slots", "ok", found)
    cost = "sockets without a slot are reported only when they end"
    return Check("slots", "degraded", found, cost, "raise tcp.slots")


def _in_use(path: Path) -> int:
    lines = path.read_text().splitlines() if path.exists() else []
    return sum(int(line.split()[2]) for line in lines if line.startswith(("TCP:", "TCP6:")))


def check_locked_memory(selection: Selection, release: str | None = None) -> Check:
    """RLIMIT_MEMLOCK; bcc raises it where that is allowed (CAP_SYS_RESOURCE)."""
    if version_numbers(release or os.uname().release)[:2] >= _CGROUP_CHARGED:
        return Check("locked memory", "not needed", "from Linux 5.11 on maps are not charged to it")
    need = _map_bytes(selection)
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY or limit > need or "CAP_SYS_RESOURCE" in read_capabilities():
        return Check("locked memory", "ok", "enough, or can be raised", required=True)
    found = f"{megabytes(limit)} of {megabytes(need)}"
    remedy = "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit"
    return Check("locked memory", "missing", found, "the maps cannot be made", remedy, required=True)


def check_open_files() -> Check:
    """RLIMIT_NOFILE: maps, programs and links are descriptors, and the compiler holds each twice."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= OPEN_FILES:
        count = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit:,}"
        return Check("open files", "ok", f"{count} ({OPEN_FILES} are enough)")
    remedy = f"ulimit -n {OPEN_FILES}, or LimitNOFILE in the systemd unit"
    if limit < LEAST_OPEN_FILES:
        found = f"{limit:,}, of {LEAST_OPEN_FILES} at least"
        return Check("open files", "missing", found, "the probe cannot start", remedy, required=True)
    return Check("open files", "degraded", f"{limit:,}", "the probe may not start", remedy)
