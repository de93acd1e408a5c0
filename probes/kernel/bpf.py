"""The bpf(2) system call, as far as a probe needs it."""

import contextlib
import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import LACKING
from probes.kernel.image import MapShape
from probes.kernel.map_types import KEY_TYPE, TYPED_MAPS, VALUE_TYPE, map_types

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
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    BTF_LOAD = 18
    MAP_LOOKUP_AND_DELETE_ELEM = 21
    LINK_CREATE = 28
    LINK_DETACH = 34
    ITER_CREATE = 33


TRACE_ITER = 28
#: Of ``struct bpf_insn``.
INSTRUCTION_BYTES = 8
#: Bytes of a name in the kernel, with the zero behind it.
_NAME_BYTES = 16
#: What the verifier has to say may be of this many bytes.
_LOG_BYTES = 1 << 24
#: A load that a signal interrupted is begun again so often (libbpf does the same).
_INTERRUPTED_LOADS = 5

#: Of ``struct bpf_link_info``, and where that of a cgroup has its number.
_LINK_INFO_BYTES, _LINK_CGROUP_AT = 64, 16

_libc = ctypes.CDLL(None, use_errno=True)
_number = _SYSCALLS.get(os.uname().machine) if sys.maxsize > 1 << 32 else None


def is_known() -> bool:
    """Whether this module knows the number of bpf(2) on this machine."""
    return _number is not None


def _bpf(command: Command, attr: ctypes.Array[ctypes.c_char]) -> int:
    if _number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) has no known number on {os.uname().machine}", command.name)
    result: int = _libc.syscall(_number, int(command), attr, _ATTR_BYTES)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), f"bpf {command.name}")
    return result


def _attr(fmt: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack(fmt, *values), _ATTR_BYTES)


class RefusedProgramError(OSError):
    """The verifier does not take a program; ``strerror`` is its last sentence."""


def create_map(name: str, shape: MapShape) -> int:
    """A descriptor of a new map.

    :raises OSError: as bpf(2) says.
    """
    fields = (shape.type, shape.key_bytes, shape.value_bytes, shape.entries, shape.flags, 0, 0)
    if shape.type not in TYPED_MAPS:
        return _bpf(Command.MAP_CREATE, _attr("7I16s", *fields, _short(name)))
    types = _load_types(map_types(shape.value_bytes))
    try:
        numbers = (0, types, KEY_TYPE, VALUE_TYPE)
        return _bpf(Command.MAP_CREATE, _attr("7I16s4I", *fields, _short(name), *numbers))
    finally:
        os.close(types)


def _load_types(types: bytes) -> int:
    """A descriptor of BTF."""
    held = ctypes.create_string_buffer(types, len(types))
    return _bpf(Command.BTF_LOAD, _attr("QQI", ctypes.addressof(held), 0, len(types)))


def load_program(
    name: str, code: bytes, *, kind: int, attach: int = 0, type_id: int = 0, terms: str = "GPL"
) -> int:
    """A descriptor of a program that the verifier took.

    :param code: instructions, with descriptors of maps in their places.
    :param kind: its type, and ``attach`` that of its place (``probes.kernel.program_types``).
    :param terms: its license.
    :raises RefusedProgramError: if the verifier has something against it.
    :raises OSError: as bpf(2) says otherwise.
    """
    held, held_terms = (
        ctypes.create_string_buffer(code, len(code)),
        ctypes.create_string_buffer(terms.encode()),
    )

    def load(log: "ctypes.Array[ctypes.c_char] | None" = None) -> int:
        level, size, address = (1, _LOG_BYTES, ctypes.addressof(log)) if log else (0, 0, 0)
        return _bpf(
            Command.PROG_LOAD,
            _attr(
                "IIQQIIQII16sIIIIQIIQII",
                *(kind, len(code) // INSTRUCTION_BYTES, ctypes.addressof(held), ctypes.addressof(held_terms)),
                *(level, size, address, 0, 0, _short(name), 0, attach),
                *(0, 0, 0, 0, 0, 0, 0, type_id),
            ),
        )

    try:
        return _uninterrupted(load)
    except OSError as error:
        if error.errno in (errno.EPERM, *LACKING):
            raise
    log = ctypes.create_string_buffer(_LOG_BYTES)
    try:
        return _uninterrupted(lambda: load(log))
    except OSError as error:
        raise RefusedProgramError(error.errno, _verdict(log.value) or error.strerror) from error


def _uninterrupted(load: Callable[[], int]) -> int:
    for _ in range(_INTERRUPTED_LOADS):
        try:
            return load()
        except BlockingIOError:  # EAGAIN: a signal came
            continue
    return load()


def _short(name: str) -> bytes:
    return name.encode()[: _NAME_BYTES - 1]


def _verdict(log: bytes) -> str:
    """The last sentence of the verifier's log; the figures behind it are of no use to the reader."""
    lines = [line.strip() for line in log[-4096:].decode(errors="replace").splitlines() if line.strip()]
    words = [
        line for line in lines if not line.startswith(("processed ", "verification time", "stack depth"))
    ]
    return words[-1] if words else ""


def map_update(fd: int, key: bytes | None, value: bytes) -> None:
    """Sets one element; ``key`` is None for stacks and queues, which push.

    :raises OSError: as bpf(2) says.
    """
    held_key = ctypes.create_string_buffer(key, len(key)) if key is not None else None
    held = ctypes.create_string_buffer(value, len(value))
    key_address = ctypes.addressof(held_key) if held_key is not None else 0
    _bpf(Command.MAP_UPDATE_ELEM, _attr("IIQQQ", fd, 0, key_address, ctypes.addressof(held), 0))


def map_lookup(fd: int, key: bytes, size: int) -> bytes:
    """One element, of ``size`` bytes.

    :raises FileNotFoundError: if there is none.
    :raises OSError: as bpf(2) says.
    """
    held, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    attr = _attr("IIQQQ", fd, 0, ctypes.addressof(held), ctypes.addressof(value), 0)
    _bpf(Command.MAP_LOOKUP_ELEM, attr)
    return value.raw


def map_delete(fd: int, key: bytes) -> None:
    """Deletes one element.

    :raises FileNotFoundError: if there is none.
    :raises OSError: as bpf(2) says.
    """
    held = ctypes.create_string_buffer(key, len(key))
    _bpf(Command.MAP_DELETE_ELEM, _attr("IIQQQ", fd, 0, ctypes.addressof(held), 0, 0))


def push_all(fd: int, values: Sequence[int]) -> None:
    """Pushes 32-bit values on a stack or queue, the first one first."""
    value = ctypes.c_uint32()
    attr = _attr("IIQQQ", fd, 0, 0, ctypes.addressof(value), 0)
    for value.value in values:
        _bpf(Command.MAP_UPDATE_ELEM, attr)


def pop_all(fd: int, most: int) -> list[int]:
    """Takes 32-bit values off a stack or queue, in its order, until it is empty.

    :param most: after so many it is left.
    :raises OSError: as bpf(2) says.
    """
    value = ctypes.c_uint32()
    values: list[int] = []
    attr = _attr("IIQQQ", fd, 0, 0, ctypes.addressof(value), 0)
    with contextlib.suppress(FileNotFoundError):
        while len(values) < most:
            _bpf(Command.MAP_LOOKUP_AND_DELETE_ELEM, attr)
            values.append(value.value)
    return values


def array_lookup(fd: int, index: int) -> int:
    """One element of an array, of at most 64 bits.

    :raises OSError: ENOENT behind its end.
    """
    key, value = ctypes.c_uint32(index), ctypes.c_uint64()
    _bpf(Command.MAP_LOOKUP_ELEM, _attr("IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    return value.value


def percpu_lookup(fd: int, keys: int) -> npt.NDArray[np.uint64]:
    """64-bit elements 0..keys of a per-processor array, summed over processors; shape (keys,)."""
    cells = np.zeros((keys, possible_cpus()), np.uint64)
    key = ctypes.c_uint32()
    for index in range(keys):
        key.value = index
        place = cells.ctypes.data + index * cells.strides[0]
        _bpf(Command.MAP_LOOKUP_ELEM, _attr("IIQQQ", fd, 0, ctypes.addressof(key), place, 0))
    sums: npt.NDArray[np.uint64] = cells.sum(axis=1)
    return sums


@cache
def possible_cpus() -> int:
    """Processors the kernel may ever have: per-processor values come in this many; fixed from boot on."""
    ranges = Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")
    return max(int(part.split("-")[-1]) for part in ranges) + 1


class TestRun:
    """A program run on request, with 64-bit arguments in its context (bpf(2): PROG_TEST_RUN)."""

    __test__ = False  # no test of pytest's

    def __init__(self, fd: int, arguments: int) -> None:
        self._args = (ctypes.c_uint64 * arguments)()
        # prog_fd, retval, data_size_in/out, data_in/out, repeat, duration, ctx_size_in/out, ctx_in/out
        size = ctypes.sizeof(self._args)
        self._attr = _attr("IIIIQQIIIIQQ", fd, 0, 0, 0, 0, 0, 0, 0, size, 0, ctypes.addressof(self._args), 0)

    def __call__(self, *arguments: int) -> None:
        """Runs the program once.

        :raises OSError: EINVAL where the kernel (before 5.10) cannot run such a program on request.
        """
        self._args[:] = list(arguments)
        _bpf(Command.PROG_TEST_RUN, self._attr)


def attach_raw_tracepoint(program: int, name: str) -> int:
    """Attaches a program; the descriptor returned holds it there until closed, also by a sudden end.

    :raises OSError: ENOENT if the kernel has no such tracepoint.
    """
    held = ctypes.create_string_buffer(name.encode())
    return _bpf(Command.RAW_TRACEPOINT_OPEN, _attr("QII", ctypes.addressof(held), program, 0))


def attach_tracing(program: int) -> int:
    """Attaches a program to the function of the kernel that it was loaded for; holds as a raw tracepoint does.

    :raises OSError: as bpf(2) says: ENOTSUPP (524) where the machine's kernel has no trampolines.
    """
    return _bpf(Command.RAW_TRACEPOINT_OPEN, _attr("QII", 0, program, 0))


def link(program: int, target: int, attach_type: int) -> int:
    """Attaches a program to what a descriptor stands for; the descriptor returned holds it there until closed.

    Unlike BPF_PROG_ATTACH, what it makes goes with the process, also after a sudden end.

    :raises OSError: as bpf(2) says; EINVAL on kernels without such links.
    """
    return _bpf(Command.LINK_CREATE, _attr("IIII", program, target, attach_type, 0))


def link_uprobes(
    program: int, attach_type: int, path: int, offsets: int, *, count: int, flags: int, process: int
) -> int:
    """Attaches a program to places in a file; until the descriptor is closed.

    :param path: its address, and that of ``offsets``, of which there are ``count``.
    :raises OSError: as bpf(2) says.
    """
    fields = (program, 0, attach_type, 0, path, offsets, 0, 0, count, flags, process)
    return _bpf(Command.LINK_CREATE, _attr("IIIIQQQQIII", *fields))


def iterate(program: int) -> None:
    """Runs an iterator program over all its objects.

    :raises OSError: if the kernel has no such iterator.
    """
    held = link(program, 0, TRACE_ITER)
    try:
        iterator = _bpf(Command.ITER_CREATE, _attr("II", held, 0))
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


class ProgramInfo(ctypes.Structure):
    """The head of ``struct bpf_prog_info`` (kernel: include/uapi/linux/bpf.h), up to what is read here."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("head", ctypes.c_uint8 * 176),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
    )


def program_info(fd: int) -> ProgramInfo:
    """What the kernel knows of a program; run time and count move while ``kernel.bpf_stats_enabled`` is 1."""
    info = ProgramInfo()
    _bpf(Command.OBJ_GET_INFO_BY_FD, _attr("IIQ", fd, ctypes.sizeof(info), ctypes.addressof(info)))
    return info


def cgroup_of(link: int) -> int:
    """The number of the cgroup that a link holds a program at; 0 where somebody has detached it.

    :raises OSError: as the kernel says.
    """
    info = ctypes.create_string_buffer(_LINK_INFO_BYTES)
    _bpf(Command.OBJ_GET_INFO_BY_FD, _attr("IIQ", link, _LINK_INFO_BYTES, ctypes.addressof(info)))
    number: int = struct.unpack_from("=Q", info, _LINK_CGROUP_AT)[0]
    return number
