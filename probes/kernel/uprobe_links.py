"""Uprobes by links of BPF: attached without the one lock that all events of perf share, and cheaper when they run.

A perf event of a uprobe is closed under that lock, while the kernel waits until nobody runs it: 60 of them took eight
seconds on a busy machine, and links one. Source: include/uapi/linux/bpf.h, ``link_create.uprobe_multi``.
"""

import ctypes
import errno
import functools
import os
from collections.abc import Sequence
from typing import Final

from probes.kernel.bpf.links import link_uprobes
from probes.kernel.bpf.programs import load_program

#: ``BPF_TRACE_UPROBE_MULTI``: as what programs have to be loaded that links attach (Linux 6.6).
ATTACH_TYPE: Final = 48
_PROBE: Final = 2
_RETURN: Final = 1
_NO_PROCESS: Final = 0xFFFFFFFF
#: r0 = 0; exit
_NOTHING: Final = bytes.fromhex("b7000000000000009500000000000000")


@functools.cache
def has_uprobe_links() -> bool:
    """Whether the kernel has them, and knows a process from a thread.

    It has if it says of a folder that it is no file, and of a number that no process has that it is none; the first
    kernels that had them took that for a thread's.
    """
    try:
        program = load_program("links", _NOTHING, kind=_PROBE, attach=ATTACH_TYPE)
    except OSError:
        return False
    try:
        answers = [_refusal(program, process) for process in (0, _NO_PROCESS)]
    finally:
        os.close(program)
    return answers == [errno.EBADF, errno.EINVAL]


def _refusal(program: int, process: int) -> int:
    try:
        os.close(link_uprobe(program, "/", [1], at_return=False, process=process))
    except OSError as error:
        return error.errno or 0
    return 0


def link_uprobe(program: int, path: str, offsets: Sequence[int], *, at_return: bool, process: int = 0) -> int:
    """As ``probes.kernel.perf_events.attach_uprobe``, at several places of a file: it waits for the kernel once.

    :raises OSError: as that.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    places = (ctypes.c_uint64 * len(offsets))(*offsets)
    return link_uprobes(
        program,
        ATTACH_TYPE,
        ctypes.addressof(name),
        ctypes.addressof(places),
        count=len(offsets),
        flags=_RETURN if at_return else 0,
        process=process,
    )
