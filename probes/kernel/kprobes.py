"""Attaches programs to functions of the kernel: perf events that hold a kprobe as long as their descriptor is open.

Nothing is written to tracefs, so nothing stays after a sudden end.
Source: perf_event_open(2); include/uapi/linux/perf_event.h; Documentation/ABI/testing/sysfs-bus-event_source-devices.
"""

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

#: The kernel's source of kprobe events; absent without CONFIG_KPROBE_EVENTS.
PMU = Path("/sys/bus/event_source/devices/kprobe")

#: perf_event_open(2) by the machine's name.
_SYSCALLS = {
    "x86_64": 298,
    "aarch64": 241,
    "riscv64": 241,
    "loongarch64": 241,
    "s390x": 331,
    "ppc64le": 319,
}
_ATTR_BYTES = 72  # PERF_ATTR_SIZE_VER1: up to config2
_FLAG_CLOEXEC = 8
_IOC_ENABLE = 0x2400 if os.uname().machine != "ppc64le" else 0x20002400
_IOC_SET_BPF = 0x40042408 if os.uname().machine != "ppc64le" else 0x80042408

_libc = ctypes.CDLL(None, use_errno=True)


def attach_kprobe(program: int, function: str, *, at_return: bool) -> int:
    """Runs ``program`` when the kernel's ``function`` is called, or returns, until the descriptor is closed.

    :raises OSError: ENOSYS if the kernel has no kprobes, ENOENT if it has no such function, or has it in a module
        that is not loaded.
    """
    if not PMU.exists():
        raise OSError(errno.ENOSYS, "the kernel has no kprobes")
    fd = _open_event(function, at_return)
    try:
        fcntl.ioctl(fd, _IOC_SET_BPF, program)
        fcntl.ioctl(fd, _IOC_ENABLE, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_event(function: str, at_return: bool) -> int:
    """For all processes: the kernel runs BPF of a kprobe on every processor, whichever one the event names."""
    name = ctypes.create_string_buffer(function.encode())
    kind = int((PMU / "type").read_text())
    # type, size, config, sample_period, sample_type, read_format, flags, wakeup, bp_type, kprobe_func, probe_offset
    fields = struct.pack(
        "IIQQQQQIIQQ",
        *(kind, _ATTR_BYTES, _return_bit() if at_return else 0),
        *(0, 0, 0, 0, 0, 0, ctypes.addressof(name), 0),
    )
    attr = ctypes.create_string_buffer(fields, _ATTR_BYTES)
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"perf_event_open(2) has no known number on {os.uname().machine}")
    fd: int = _libc.syscall(number, attr, -1, 0, -1, ctypes.c_ulong(_FLAG_CLOEXEC))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"kprobe {function}")
    return fd


def _return_bit() -> int:
    """Which bit of ``config`` asks for the return: the file says ``config:0``."""
    return 1 << int((PMU / "format/retprobe").read_text().strip().removeprefix("config:"))
