"""Boots systemd as PID 1 of new namespaces over a throw-away overlay of a root, and runs a program in it as a unit.

    boot.py ROOT OUT LIMIT [--bind SOURCE:TARGET]... -- PROGRAM [ARGUMENT...]

ROOT is the lower folder of the overlay. The program finds OUT as /out; what it prints is in OUT/printed, its exit
code becomes this program's. The kernel, its BPF, cgroups and network are the machine's; the program sees an own
/proc, /dev, /run and /tmp. Nothing outside is changed, nothing is left, however it ends: all hangs on this process.
"""

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Final

#: mount, pid, uts, ipc and cgroup namespaces (kernel: include/uapi/linux/sched.h).
_NAMESPACES: Final = 0x00020000 | 0x20000000 | 0x04000000 | 0x08000000 | 0x02000000
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
_DETACH: Final = 2
_DIE_WITH_PARENT: Final = 1  # prctl(2), PR_SET_PDEATHSIG
_DEVICES: Final = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
#: What has no place in a machine without devices of its own.
_MASKED: Final = (
    "systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket "
    "systemd-modules-load.service systemd-sysctl.service systemd-timesyncd.service systemd-remount-fs.service "
    "tmp.mount dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount "
    "sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount"
)
_GUEST: Final = """[Unit]
After=basic.target systemd-journald.service
SuccessAction=exit
FailureAction=exit
DefaultDependencies=no
[Service]
Type=oneshot
WorkingDirectory=/
ExecStart={command}
StandardOutput=file:/out/printed
StandardError=file:/out/printed
ExecStopPost=/bin/sh -c 'echo "$EXIT_STATUS" > /out/code'
TimeoutStartSec={limit}
"""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mount(what: str | Path, where: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    _check(
        _LIBC.mount(str(what).encode(), str(where).encode(), kind.encode() or None, flags, options.encode())
    )


def _hierarchies() -> dict[str, tuple[Path, Path]]:
    """Of each cgroup hierarchy by its mount option, "" for version 2: where it is mounted, and our cgroup there."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    ours = {names: path.lstrip("/") for _, names, path in (line.split(":", 2) for line in lines)}
    found = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind not in ("cgroup", "cgroup2") or not where.startswith("/sys/"):
            continue
        name = next((n for n in ours if n and set(n.split(",")) <= set(options.split(","))), "")
        found[name if kind == "cgroup" else ""] = Path(where), Path(where) / ours[name]
    return found


def _enter(cgroup: Path) -> None:
    """Make a cgroup for the guest, who takes it for the root, and go into it."""
    cgroup.mkdir()
    for limit in ("cpuset.cpus", "cpuset.mems"):
        if (cgroup / limit).exists():
            (cgroup / limit).write_text((cgroup.parent / limit).read_text())
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def _leave(cgroup: Path) -> None:
    """Remove it with all that the guest made in it, once the last processes have left."""
    deadline = time.monotonic() + 10
    for folder, _, _ in os.walk(cgroup, topdown=False):
        while True:
            try:
                Path(folder).rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _lay_devices(dev: Path) -> None:
    for name, minor in _DEVICES.items():
        os.mknod(dev / name, 0o020666, os.makedev(1, minor))
        (dev / name).chmod(0o666)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    _mount("devpts", dev / "pts", "devpts", options="newinstance,ptmxmode=0666")
    _mount("tmpfs", dev / "shm", "tmpfs")
    (dev / "ptmx").symlink_to("pts/ptmx")


def _lay_root(top: Path, options: argparse.Namespace, groups: dict[str, tuple[Path, Path]]) -> Path:
    """Mount what the guest sees; its own /sys/fs/cgroup hides the machine's."""
    _mount("none", Path("/"), flags=_REC | _PRIVATE)
    _mount("tmpfs", top, "tmpfs")
    root = top / "root"
    for name in ("upper", "work", "root"):
        (top / name).mkdir()
    _mount(
        "overlay", root, "overlay", options=f"lowerdir={options.root},upperdir={top}/upper,workdir={top}/work"
    )
    _mount("proc", root / "proc", "proc")
    _mount("/sys", root / "sys", flags=_BIND | _REC)
    _mount("tmpfs", root / "sys/fs/cgroup", "tmpfs")
    for name, (folder, _) in groups.items():
        where = root / str(folder).lstrip("/")
        where.mkdir(exist_ok=True)
        _mount("cgroup", where, "cgroup" if name else "cgroup2", options=name)
    for name, mode in (("run", "755"), ("tmp", "1777"), ("dev", "755")):
        _mount("tmpfs", root / name, "tmpfs", options=f"mode={mode}")
    _lay_devices(root / "dev")
    for pair in [f"{options.out}:/out", *options.bind]:
        source, _, target = pair.partition(":")
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        _mount(source, root / target.lstrip("/"), flags=_BIND | _REC)
    return root


def _lay_units(root: Path, options: argparse.Namespace) -> None:
    """The guest's own /etc: no unit of the machine is started but what everything needs."""
    units = root / "etc/systemd/system"
    for link in units.glob("*.wants/*"):
        link.unlink()
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "etc/fstab").write_text("")
    (root / "etc/systemd/journald.conf").write_text(
        "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n"
    )
    command = " ".join(f'"{part}"' for part in options.command)
    (units / "guest.service").write_text(_GUEST.format(command=command, limit=options.limit))
    (units / "guest.target").write_text("[Unit]\nRequires=basic.target guest.service\nAllowIsolate=yes\n")
    for name in _MASKED.split():
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")


def _become_systemd(top: Path, options: argparse.Namespace, groups: dict[str, tuple[Path, Path]]) -> None:
    root = _lay_root(top, options, groups)
    _lay_units(root, options)
    os.chdir(root)
    (root / "old").mkdir()
    _check(_LIBC.syscall(_PIVOT_ROOT, b".", b"old"))
    _check(_LIBC.umount2(b"/old", _DETACH))
    arguments = [
        "--system",
        "--log-target=journal",
        "--log-level=info",
        "--show-status=no",
        "--unit=guest.target",
    ]
    environment = {"container": "tailrace-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    os.execve("/lib/systemd/systemd", ["systemd", *arguments], environment)


def _guest(top: Path, options: argparse.Namespace, groups: dict[str, tuple[Path, Path]]) -> None:
    """A process in the guest's cgroups whose child is PID 1; both end with their parents."""
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for _, ours in groups.values():
        _enter(ours / top.name)
    _check(_LIBC.unshare(_NAMESPACES))
    pid = os.fork()
    if pid == 0:
        _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        _become_systemd(top, options, groups)
    signal.alarm(options.limit + 20)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)


def main() -> int:
    """Boots; 0 if the program ended well."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("limit", type=int)
    parser.add_argument("--bind", action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    top, groups = Path(tempfile.mkdtemp(prefix="boot-")), _hierarchies()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pid = os.fork()
    if pid == 0:
        try:
            _guest(top, options, groups)
        finally:
            os._exit(124)
    try:
        os.waitpid(pid, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        for _, ours in groups.values():
            _leave(ours / top.name)
        shutil.rmtree(top, ignore_errors=True)
    code = options.out / "code"
    return int(code.read_text()) if code.exists() else 124


def reason_to_skip() -> str:
    """Why nothing can be booted here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root"
    return "" if Path("/lib/systemd/systemd").exists() else "no systemd: make setup"


if __name__ == "__main__":
    sys.exit(main())
