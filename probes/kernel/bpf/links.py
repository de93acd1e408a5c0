"""Links: what holds a program at its place in the kernel, and which programs are at one."""

import ctypes
import errno
import os
import struct

from probes.kernel.bpf import syscall
from probes.kernel.bpf.syscall import Command, attributes

_TRACE_ITER = 28
#: Of ``struct bpf_link_info``, and where that of a cgroup has its number.
_INFO_BYTES, _CGROUP_AT = 64, 16


def attach_raw_tracepoint(program: int, name: str) -> int:
    """Attaches a program; the descriptor returned holds it there until closed, also by a sudden end.

    :raises OSError: ENOENT if the kernel has no such tracepoint.
    """
    held = ctypes.create_string_buffer(name.encode())
    return syscall.call(Command.RAW_TRACEPOINT_OPEN, attributes("QII", ctypes.addressof(held), program, 0))


def attach_tracing(program: int) -> int:
    """Attaches a program to the function of the kernel that it was loaded for; holds as a raw tracepoint does.

    :raises OSError: as bpf(2) says: ENOTSUPP (524) where the machine's kernel has no trampolines.
    """
    return syscall.call(Command.RAW_TRACEPOINT_OPEN, attributes("QII", 0, program, 0))


def create_link(program: int, target: int, attach_type: int) -> int:
    """Attaches a program to what a descriptor stands for; the descriptor returned holds it there until closed.

    Unlike BPF_PROG_ATTACH, what it makes goes with the process, also after a sudden end.

    :raises OSError: as bpf(2) says; EINVAL on kernels without such links.
    """
    return syscall.call(Command.LINK_CREATE, attributes("IIII", program, target, attach_type, 0))


def link_uprobes(
    program: int, attach_type: int, path: int, offsets: int, *, count: int, flags: int, process: int
) -> int:
    """Attaches a program to places in a file; until the descriptor is closed.

    :param path: its address, and that of ``offsets``, of which there are ``count``.
    :raises OSError: as bpf(2) says.
    """
    fields = (program, 0, attach_type, 0, path, offsets, 0, 0, count, flags, process)
    return syscall.call(Command.LINK_CREATE, attributes("IIIIQQQQIII", *fields))


def iterate(program: int) -> None:
    """Runs an iterator program over all its objects.

    :raises OSError: if the kernel has no such iterator.
    """
    held = create_link(program, 0, _TRACE_ITER)
    try:
        iterator = syscall.call(Command.ITER_CREATE, attributes("II", held, 0))
        try:
            _read_to_end(iterator)
        finally:
            os.close(iterator)
    finally:
        os.close(held)


def _read_to_end(fd: int) -> None:
    while True:
        try:
            if not os.read(fd, 65536):
                return
        except InterruptedError:
            continue
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise


def cgroup_of(link: int) -> int:
    """The number of the cgroup that a link holds a program at; 0 where somebody has detached it.

    :raises OSError: as the kernel says.
    """
    info = ctypes.create_string_buffer(_INFO_BYTES)
    syscall.call(
        Command.OBJ_GET_INFO_BY_FD,
        attributes("IIQ", link, _INFO_BYTES, ctypes.addressof(info)),
    )
    number: int = struct.unpack_from("=Q", info, _CGROUP_AT)[0]
    return number


def programs_at(cgroup: int, attach_type: int, most: int) -> list[int]:
    """The ids of programs that are attached to a cgroup at one place.

    :raises OSError: as the kernel says; EINVAL for a place that it does not have.
    """
    ids = (ctypes.c_uint32 * most)()
    attr = attributes("IIIIQI", cgroup, attach_type, 0, 0, ctypes.addressof(ids), most)
    syscall.call(Command.PROG_QUERY, attr)
    count: int = struct.unpack_from("=I", attr, 24)[0]
    return list(ids[: min(count, most)])
