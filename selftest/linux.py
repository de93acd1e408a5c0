"""The few calls of Linux that Python 3.11 has no function for."""

import array
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import termios
from pathlib import Path
from typing import Final

from selftest.errors import TrafficError
from selftest.truth import KernelCounters

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNET: Final = 0x40000000
PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
SO_ATTACH_FILTER: Final = 26
SO_DETACH_FILTER: Final = 27
#: Connections of MPTCP, an option of theirs, and where their number stands in what that says: uapi/linux/mptcp.h.
IPPROTO_MPTCP: Final = 262
SOL_MPTCP: Final = 284
MPTCP_INFO: Final = 1
MPTCP_INFO_BYTES: Final = 64
TOKEN_AT: Final = 12
MPTCP_ENABLED: Final = Path("/proc/sys/net/mptcp/enabled")
#: struct tcp_info of uapi/linux/tcp.h up to tcpi_bytes_retrans (4.19).
TCP_INFO: Final = struct.Struct("<8B24I4Q6I4Q2I2Q")


def _checked(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise TrafficError(f"{what}: {os.strerror(code)}", "run the self-test as root")


def new_network() -> int:
    """A descriptor of a new network namespace, which lives as long as descriptors and processes in it do.

    :raises TrafficError: without the right to make one.
    """
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        _checked(_libc.unshare(CLONE_NEWNET), "cannot make a network namespace")
        made = os.open("/proc/self/ns/net", os.O_RDONLY)
        enter_network(here)
    finally:
        os.close(here)
    return made


def enter_network(descriptor: int) -> None:
    """Move this process into the network namespace.

    :raises TrafficError: without the right to do so.
    """
    _checked(_libc.setns(descriptor, CLONE_NEWNET), "cannot enter a network namespace")


def network_inode() -> int:
    """The inode number of the network namespace of this process."""
    return os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116 - one word for what pathlib needs three


def name_process(comm: str) -> None:
    """Set ``/proc/self/comm``, which holds 15 bytes."""
    _checked(_libc.prctl(PR_SET_NAME, comm.encode(), 0, 0, 0), "cannot name a process")


def die_with(parent: int) -> None:
    """Be killed when the process ``parent``, which forked this one, ends. A change of the user undoes it."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "cannot ask for a signal")
    if os.getppid() != parent:
        os._exit(1)


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that were written and not yet acknowledged (SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]


def has_mptcp() -> bool:
    """Whether this kernel has MPTCP, switched on."""
    return MPTCP_ENABLED.exists() and MPTCP_ENABLED.read_text().strip() == "1"


def mptcp_token(sock: socket.socket) -> int:
    """What the kernel calls the connection of MPTCP; 0 of one that fell back to TCP, or of a socket of TCP."""
    try:
        info = sock.getsockopt(SOL_MPTCP, MPTCP_INFO, MPTCP_INFO_BYTES)
    except OSError:
        return 0
    (token,) = struct.unpack_from("=I", info, TOKEN_AT)
    return int(token)


def kernel_counters(sock: socket.socket) -> KernelCounters:
    """The counters of TCP_INFO."""
    info = TCP_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size))
    total_retrans, acked, received, bytes_retrans = info[31], info[34], info[35], info[49]
    return KernelCounters(acked, received, total_retrans, bytes_retrans)


def reset_at_close(sock: socket.socket) -> None:
    """Let close() send a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drop_received(sock: socket.socket, share: float) -> None:
    """Let the socket drop this share of the segments it receives, at random, unacknowledged.

    The classic BPF program loads SKF_AD_RANDOM and keeps 0 bytes of the segment if it is below a threshold.
    """
    below = min(0xFFFFFFFF, int(share * (1 << 32)))
    program = struct.pack("=HBBI", 0x20, 0, 0, 0xFFFFF000 + 56)
    program += struct.pack("=HBBI", 0x25, 0, 1, below) if share < 1 else struct.pack("=HBBI", 0x05, 0, 0, 1)
    program += struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF) + struct.pack("=HBBI", 0x06, 0, 0, 0)
    code = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(code)))


def keep_received(sock: socket.socket) -> None:
    """Undo `drop_received`."""
    with contextlib.suppress(FileNotFoundError):
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
