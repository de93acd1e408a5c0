"""What the kernel is and allows: version, bpf(2), lockdown, cgroups; and what it need not have."""

import os
from pathlib import Path

from probes.checks.check import Check
from probes.kernel.bpf import syscall
from probes.kernel.headers import version_numbers
from probes.kernel.loader import OLDEST_KERNEL

LOCKDOWN = Path("/sys/kernel/security/lockdown")
COMMAND_LINE = Path("/proc/cmdline")
MOUNTS = Path("/proc/mounts")


def check_kernel(release: str | None = None) -> Check:
    """The kernel's version; what the oldest one brings stands at OLDEST_KERNEL."""
    found = os.uname().release if release is None else release
    oldest = ".".join(map(str, OLDEST_KERNEL))
    if version_numbers(found)[:2] >= OLDEST_KERNEL:
        return Check("kernel", "ok", f"Linux {found} ({oldest} or newer is needed)", required=True)
    cost = "no ring buffer, no iterators over sockets, no programs run on request"
    return Check("kernel", "missing", f"Linux {found}", cost, f"boot Linux {oldest} or newer", required=True)


def check_bpf() -> Check:
    """Whether the number of the system call is known for this machine."""
    machine = os.uname().machine
    if syscall.is_known():
        return Check("bpf(2)", "ok", f"known on {machine}", required=True)
    cost = "maps and programs cannot be reached"
    remedy = "run 64-bit Python on x86_64, aarch64, riscv64, loongarch64, s390x or ppc64le"
    return Check("bpf(2)", "missing", f"no known number on {machine}", cost, remedy, required=True)


def lockdown_level() -> str:
    """``none``, ``integrity`` or ``confidentiality``; empty if the kernel does not say.

    The file marks the level in brackets (kernel: security/lockdown/lockdown.c).
    """
    try:
        words = LOCKDOWN.read_text().split()
    except OSError:
        words = COMMAND_LINE.read_text().split()
        return next((word.removeprefix("lockdown=") for word in words if word.startswith("lockdown=")), "")
    return next((word.strip("[]") for word in words if word.startswith("[")), "")


def check_lockdown() -> Check:
    """Level confidentiality forbids BPF to read kernel memory (kernel: LOCKDOWN_BPF_READ_KERNEL)."""
    level = lockdown_level()
    if level == "confidentiality":
        remedy = "boot with lockdown=integrity, or without the option"
        cost = "BPF may not read the kernel's memory"
        return Check("lockdown", "missing", level, cost, remedy, required=True)
    unsaid = "the kernel does not say (no /sys/kernel/security/lockdown)"
    return Check("lockdown", "ok", level or unsaid, required=True)


def check_cgroups(mounts: str | None = None) -> Check:
    """Which cgroup hierarchies are in use: the container of an owner is read from v2, or else from v1."""
    fields = [line.split() for line in (MOUNTS.read_text() if mounts is None else mounts).splitlines()]
    versions = {kind for _, _, kind, *_ in fields if kind in {"cgroup", "cgroup2"}}
    names = {"cgroup": "v1", "cgroup2": "v2"}
    found = " and ".join(names[version] for version in sorted(versions))
    if found:
        return Check("cgroups", "ok", found)
    return Check("cgroups", "not needed", "none mounted here; their names are read in the kernel")


def check_filesystems() -> list[Check]:
    """Neither is used: raw tracepoints are opened by name through bpf(2), and nothing is pinned."""
    return [
        Check("tracefs", "not needed", "raw tracepoints are attached through bpf(2)"),
        Check("bpffs", "not needed", "nothing is pinned: closing the descriptors detaches"),
    ]
