"""The system call itself, and how its arguments are laid out."""

import ctypes
import errno
import os
import struct
import sys
from enum import IntEnum

#: By the machine's name (kernel: arch/*/include/**/syscall*.tbl and asm-generic/unistd.h).
_SYSCALLS = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "loongarch64": 280,
    "s390x": 351,
    "ppc64le": 361,
}
_ATTR_BYTES = 144


class Command(IntEnum):
    """Commands of bpf(2) (kernel: ``enum bpf_cmd``)."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    PROG_GET_FD_BY_ID = 13
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    MAP_LOOKUP_AND_DELETE_ELEM = 21
    MAP_LOOKUP_BATCH = 24
    LINK_CREATE = 28
    LINK_DETACH = 34
    ITER_CREATE = 33


#: Bytes of a name in the kernel, with the zero behind it.
NAME_BYTES = 16

_libc = ctypes.CDLL(None, use_errno=True)
_number = _SYSCALLS.get(os.uname().machine) if sys.maxsize > 1 << 32 else None


def is_known() -> bool:
    """Whether this module knows the number of bpf(2) on this machine."""
    return _number is not None


def call(command: Command, attr: ctypes.Array[ctypes.c_char]) -> int:
    """Does a command with ``attributes``; some write their answer there.

    :raises OSError: as bpf(2) says; ENOSYS on a machine whose number of it is not known.
    """
    if _number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) has no known number on {os.uname().machine}", command.name)
    result: int = _libc.syscall(_number, int(command), attr, _ATTR_BYTES)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"bpf {command.name}")
    return result


def attributes(fmt: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    """The head of a ``union bpf_attr``, packed as ``struct.pack`` does; zeros follow."""
    return ctypes.create_string_buffer(struct.pack(fmt, *values), _ATTR_BYTES)


def short_name(name: str) -> bytes:
    """A name as the kernel keeps it: cut, with room for the zero behind it."""
    return name.encode()[: NAME_BYTES - 1]
