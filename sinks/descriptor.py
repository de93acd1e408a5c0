"""Writing to file descriptors, and what its failures mean for a sink."""

import errno
import fcntl
import os
import select
import stat
from typing import Final

from model.errors import BROKEN_PIPE, SinkError

#: errno -> ledger reason and what the user does next; other errors are ``write_failed``.
_REASONS: Final = {
    errno.ENOSPC: ("disk_full", "make room; writing goes on by itself"),
    errno.EDQUOT: ("disk_full", "raise the disk quota or make room; writing goes on by itself"),
    errno.EFBIG: ("disk_full", "the file has reached the size limit of this process: see ulimit -f"),
    errno.EPIPE: (BROKEN_PIPE, "its reader has ended; start Tailrace again with a reader that stays"),
}


def is_writable(descriptor: int) -> bool:
    """Whether it is open for writing; standard output may be closed, or be open for reading alone."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def write_all(descriptor: int, data: bytes | memoryview) -> tuple[int, OSError | None]:
    """Write ``data``, waiting where the descriptor is slow: bytes written, and the error that ended it.

    A terminal that has hung up is a reader that has ended.
    """
    view, written = memoryview(data), 0
    while written < len(view):
        try:
            written += os.write(descriptor, view[written:])
        except BlockingIOError:  # whoever shares the terminal or pipe with us made it non-blocking
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except OSError as error:
            if error.errno == errno.EIO and stat.S_ISCHR(os.fstat(descriptor).st_mode):
                return written, BrokenPipeError(errno.EPIPE, "the terminal has hung up")
            return written, error
    return written, None


def write_error(error: OSError, target: str, lost_rows: int | None = None) -> SinkError:
    """``error`` of writing to ``target`` (a path, or what the user calls it) as a sink's error."""
    fallback = ("write_failed", f"check {target}")
    reason, remedy = _REASONS.get(error.errno or 0, fallback)
    what = f"cannot write to {target} ({error.strerror})"
    return SinkError(what, remedy, reason=reason, lost_rows=lost_rows)
