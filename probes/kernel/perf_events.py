"""Attaches programs through perf events: a probe holds as long as its event's descriptor is open.

Nothing is written to tracefs, so nothing stays after a sudden end.
Source: perf_event_open(2); include/uapi/linux/perf_event.h; Documentation/ABI/testing/sysfs-bus-event_source-devices.
"""

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

from probes.kernel.filesystems import root_of

#: The kernel's sources of events; a source is absent without CONFIG_KPROBE_EVENTS or CONFIG_UPROBE_EVENTS.
SOURCES = Path("/sys/bus/event_source/devices")

#: perf_event_open(2) by the machine's name.
_SYSCALLS = {
    "x86_64": 298,
    "aarch64": 241,
    "riscv64": 241,
    "loongarch64": 241,
    "s390x": 331,
    "ppc64le": 319,
}
_TYPE_TRACEPOINT = 2
_ATTR_BYTES = 72  # PERF_ATTR_SIZE_VER1: up to config2
_FLAG_CLOEXEC = 8
_IOC_ENABLE = 0x2400 if os.uname().machine != "ppc64le" else 0x20002400
_IOC_SET_BPF = 0x40042408 if os.uname().machine != "ppc64le" else 0x80042408

_libc = ctypes.CDLL(None, use_errno=True)


def has_kprobes() -> bool:
    """Whether the kernel can probe its own functions."""
    return (SOURCES / "kprobe").exists()


def attach_kprobe(program: int, function: str, *, at_return: bool) -> int:
    """Runs ``program`` when the kernel's ``function`` is called, or returns, until the descriptor is closed.

    :raises OSError: ENOSYS if the kernel has no kprobes, ENOENT if it has no such function, or has it in a module
        that is not loaded.
    """
    if not has_kprobes():
        raise OSError(errno.ENOSYS, "the kernel has no kprobes")
    return _attached(program, _open_probe("kprobe", function, 0, at_return=at_return))


def attach_uprobe(program: int, path: str, offset: int, *, at_return: bool, process: int = 0) -> int:
    """Runs ``program`` when the code at ``offset`` of a file is reached, or its function returns.

    Until the descriptor is closed.

    :param process: the one in which it runs; 0: in all, also those that begin later.
    :raises OSError: ENOSYS if the kernel has no uprobes, ENOENT if there is no such file, ESRCH if there is no such
        process, EINVAL if no instruction begins there.
    """
    if not (SOURCES / "uprobe").exists():
        raise OSError(errno.ENOSYS, "the kernel has no uprobes")
    return _attached(program, _open_probe("uprobe", path, offset, at_return=at_return, process=process))


def attach_tracepoint(program: int, name: str) -> int:
    """Runs ``program`` at the tracepoint ``category:name`` until the descriptor is closed.

    :raises OSError: ENOENT if the kernel has no such tracepoint.
    """
    with root_of("tracefs") as tracefs:
        path = f"events/{name.replace(':', '/')}/id"
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=tracefs)
        with os.fdopen(file) as text:
            number = int(text.read())
    fields = struct.pack("IIQ", _TYPE_TRACEPOINT, _ATTR_BYTES, number)
    return _attached(program, _open(fields, -1, 0, name))


def _attached(program: int, event: int) -> int:
    try:
        fcntl.ioctl(event, _IOC_SET_BPF, program)
        fcntl.ioctl(event, _IOC_ENABLE, 0)
    except BaseException:
        os.close(event)
        raise
    return event


def _open_probe(source: str, name: str, offset: int, *, at_return: bool, process: int = 0) -> int:
    """An event of a function of the kernel, or of a place in a file.

    For all processes the kernel runs BPF on every processor, whichever one the event names.
    """
    folder = SOURCES / source
    config = _return_bit(folder) if at_return else 0
    held = ctypes.create_string_buffer(os.fsencode(name))
    # type, size, config, sample_period, sample_type, read_format, flags, wakeup, bp_type, config1, config2
    kind = int((folder / "type").read_text())
    values = (kind, _ATTR_BYTES, config, 0, 0, 0, 0, 0, 0, ctypes.addressof(held), offset)
    fields = struct.pack("IIQQQQQIIQQ", *values)
    return _open(fields, process or -1, -1 if process else 0, f"{source} {name}")


def _open(fields: bytes, process: int, processor: int, what: str) -> int:
    attr = ctypes.create_string_buffer(fields, _ATTR_BYTES)
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"perf_event_open(2) has no known number on {os.uname().machine}")
    fd: int = _libc.syscall(number, attr, process, processor, -1, ctypes.c_ulong(_FLAG_CLOEXEC))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return fd


def _return_bit(folder: Path) -> int:
    """Which bit of ``config`` asks for the return: the file says ``config:0``."""
    return 1 << int((folder / "format/retprobe").read_text().strip().removeprefix("config:"))
