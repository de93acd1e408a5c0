"""Errors that tell the reader what to do next, with the exit code they end the program with."""

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
