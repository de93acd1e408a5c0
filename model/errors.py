"""Errors that tell the reader what to do next, with the exit code they end the program with."""

import errno
import traceback
from typing import Final

#: What the system has no more of -> what the user does next; by errno.
LACKING: Final = {
    errno.EMFILE: "raise the limit of open files (ulimit -n, LimitNOFILE=)",
    errno.ENFILE: "raise fs.file-max",
    errno.ENOMEM: "raise the limit of memory (ulimit -v, ulimit -l, MemoryMax=), or lower tcp.slots",
    errno.ENOSPC: "make room on the file system",
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u, TasksMax=)",
}

#: The reason of a sink whose reader has ended.
BROKEN_PIPE = "broken_pipe"


def one_line(error: BaseException) -> str:
    """What an exception of somebody else's code says, with its type, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class TailraceError(Exception):
    """A failure that one sentence explains.

    :param what: what is wrong.
    :param remedy: what the user does next.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}: {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class UsageError(TailraceError):
    """The command line or the configuration asks for something that does not exist."""

    exit_code = 2


class ProbeError(TailraceError):
    """The kernel or this machine does not give what a probe needs."""


class SinkError(TailraceError):
    """A sink could not take a batch.

    :param retryable: whether the same batch may be offered again.
    :param lost_rows: rows of the batch that are lost for good, counted in the ledger under ``reason``.
    :param pause: seconds at least before it is offered again, where the server asked for some.
    """

    def __init__(
        self,
        what: str,
        remedy: str = "",
        *,
        reason: str = "sink_failed",
        retryable: bool = False,
        lost_rows: int | None = None,
        pause: float = 0.0,
    ) -> None:
        super().__init__(what, remedy)
        self.reason = reason
        self.retryable = retryable
        self.lost_rows = lost_rows
        self.pause = pause


def explained(error: BaseException) -> TailraceError:
    """What went wrong in a place where nothing was expected to."""
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        error = OSError(errno.ENOMEM, "not enough memory")
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and number in LACKING:
        return TailraceError((error.strerror or str(error)).lower(), LACKING[number])
    return TailraceError(f"{one_line(error)}{where(error)}", "report it, with what --log-level debug says")


def where(error: BaseException) -> str:
    """`` at FILE:LINE``, where it was raised; nothing for what was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
