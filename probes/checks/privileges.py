"""What this process may do: capabilities, and the namespaces it lives in."""

from pathlib import Path

from probes.checks.check import Check

#: Bits of the effective set (kernel: include/uapi/linux/capability.h).
_BITS = {
    "CAP_NET_BROADCAST": 11,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
#: Those that matter here.
CAPABILITIES = frozenset(_BITS)
#: To load programs that read the kernel's memory; CAP_SYS_ADMIN implies both (capabilities(7)).
TO_LOAD = frozenset({"CAP_BPF", "CAP_PERFMON"})
#: What its lack costs.
NO_PROGRAM = "the kernel takes no BPF program"
#: Inodes of the initial namespaces (kernel: include/linux/proc_ns.h).
_INITIAL = {"user": 0xEFFFFFFD, "pid": 0xEFFFFFFC}

_STATUS = Path("/proc/self/status")


def read_capabilities() -> frozenset[str]:
    """Those of this process's effective capabilities that matter here."""
    return read_from(_STATUS.read_text())


def read_from(status: str) -> frozenset[str]:
    """The same from the text of a /proc/PID/status."""
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return frozenset(name for name, bit in _BITS.items() if mask >> bit & 1)


def is_initial(namespace: str) -> bool:
    """Whether this process lives in the machine's own ``user`` or ``pid`` namespace."""
    return Path("/proc/self/ns", namespace).stat().st_ino == _INITIAL[namespace]


def check_privileges() -> Check:
    """The right to create maps (CAP_BPF) and to load programs that read kernel memory (CAP_PERFMON).

    CAP_SYS_ADMIN implies both (capabilities(7)); capabilities of a user namespace do not count for bpf(2).
    """
    held = read_capabilities()
    remedy = "run as root (sudo), or with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN"
    cost = NO_PROGRAM
    if not is_initial("user"):
        remedy = "run outside of the user namespace (a rootless container cannot see the host)"
        return Check("privileges", "missing", "root of a user namespace only", cost, remedy, required=True)
    if "CAP_SYS_ADMIN" in held or {"CAP_BPF", "CAP_PERFMON"} <= held:
        found = ", ".join(sorted(held & {"CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"}))
        return Check("privileges", "ok", found, required=True)
    lacking = " and ".join(sorted({"CAP_BPF", "CAP_PERFMON"} - held))
    return Check("privileges", "missing", f"not root, and no {lacking}", cost, remedy, required=True)


def check_reach() -> Check:
    """The right to enter other network namespaces (setns(2): CAP_SYS_ADMIN) and to find them all through the
    processes of other users (/proc/PID/ns: CAP_SYS_PTRACE, see proc_pid_ns(5))."""
    held = read_capabilities()
    lacking = sorted({"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"} - held)
    if not lacking:
        return Check("network namespaces", "ok", "all can be entered")
    cost = "sockets of before the start that no process holds or that wait to be accepted may not be reported"
    return Check(
        "network namespaces", "degraded", f"no {' and '.join(lacking)}", cost, f"add {' and '.join(lacking)}"
    )


def check_pid_namespace() -> Check:
    """Iterators over tasks show those of the caller's pid namespace (kernel: kernel/bpf/task_iter.c)."""
    if is_initial("pid"):
        return Check("pid namespace", "ok", "the machine's own")
    cost = (
        "owners of connections opened before the start are not found outside of this container; "
        "pids are the machine's"
    )
    remedy = "share the host's: docker run --pid=host, or hostPID: true"
    return Check("pid namespace", "degraded", "one of a container", cost, remedy)
