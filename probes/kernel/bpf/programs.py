"""Programs: loading them, running them on request, and what the kernel knows of them."""

import ctypes
import errno
from collections.abc import Callable

from model.errors import LACKING
from probes.kernel.bpf import syscall
from probes.kernel.bpf.syscall import NAME_BYTES, Command, attributes, short_name

#: Of ``struct bpf_insn``.
INSTRUCTION_BYTES = 8
#: What the verifier has to say may be of this many bytes.
_LOG_BYTES = 1 << 24
#: A load that a signal interrupted is begun again so often (libbpf does the same).
_INTERRUPTED_LOADS = 5


class RefusedProgramError(OSError):
    """The verifier does not take a program; ``strerror`` is its last sentence."""


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
        return syscall.call(
            Command.PROG_LOAD,
            attributes(
                "IIQQIIQII16sIIIIQIIQII",
                *(kind, len(code) // INSTRUCTION_BYTES, ctypes.addressof(held), ctypes.addressof(held_terms)),
                *(level, size, address, 0, 0, short_name(name), 0, attach),
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


def _verdict(log: bytes) -> str:
    """The last sentence of the verifier's log; the figures behind it are of no use to the reader."""
    lines = [line.strip() for line in log[-4096:].decode(errors="replace").splitlines() if line.strip()]
    words = [
        line for line in lines if not line.startswith(("processed ", "verification time", "stack depth"))
    ]
    return words[-1] if words else ""


def program_by_id(id_: int) -> int:
    """A descriptor of a program.

    :raises FileNotFoundError: if there is none.
    :raises OSError: as the kernel says.
    """
    return syscall.call(Command.PROG_GET_FD_BY_ID, attributes("I", id_))


class ProgramInfo(ctypes.Structure):
    """The head of ``struct bpf_prog_info`` (kernel: include/uapi/linux/bpf.h), up to what is read here."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("sizes", ctypes.c_uint8 * 48),
        ("name", ctypes.c_char * NAME_BYTES),
        ("details", ctypes.c_uint8 * 112),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
    )


def program_info(fd: int) -> ProgramInfo:
    """What the kernel knows of a program; run time and count move while ``kernel.bpf_stats_enabled`` is 1."""
    info = ProgramInfo()
    syscall.call(
        Command.OBJ_GET_INFO_BY_FD,
        attributes("IIQ", fd, ctypes.sizeof(info), ctypes.addressof(info)),
    )
    return info


class TestRun:
    """A program run on request, with 64-bit arguments in its context (bpf(2): PROG_TEST_RUN)."""

    __test__ = False  # no test of pytest's

    def __init__(self, fd: int, arguments: int) -> None:
        self._args = (ctypes.c_uint64 * arguments)()
        # prog_fd, retval, data_size_in/out, data_in/out, repeat, duration, ctx_size_in/out, ctx_in/out
        size = ctypes.sizeof(self._args)
        self._attr = attributes(
            "IIIIQQIIIIQQ", fd, 0, 0, 0, 0, 0, 0, 0, size, 0, ctypes.addressof(self._args), 0
        )

    def __call__(self, *arguments: int) -> None:
        """Runs the program once.

        :raises OSError: EINVAL where the kernel (before 5.10) cannot run such a program on request.
        """
        self._args[:] = list(arguments)
        syscall.call(Command.PROG_TEST_RUN, self._attr)
