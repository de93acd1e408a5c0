"""Writing to descriptors that are slow, non-blocking or closed."""

import asyncio
import errno
import os

import pytest

from sinks.descriptor import write_all, write_error


async def test_non_blocking_pipe_gets_everything() -> None:
    """More bytes than a non-blocking pipe holds arrive whole, as its reader takes them."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = bytes(range(256)) * 4000
    writing = asyncio.create_task(asyncio.to_thread(write_all, writer, data))
    taken = bytearray()
    while len(taken) < len(data):
        taken += await asyncio.to_thread(os.read, reader, 1 << 20)
    assert await writing == (len(data), None)
    assert taken == data
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "disk_full"),
        (errno.EPIPE, "broken_pipe"),
        (errno.EIO, "write_failed"),
    ],
)
def test_errors_become_reasons(number: int, reason: str) -> None:
    """An error of the system has the reason under which the ledger counts the rows, and is final."""
    error = write_error(OSError(number, os.strerror(number)), "/data/out", 7)
    assert (error.reason, error.lost_rows, error.retryable) == (reason, 7, False)
    assert error.what == f"cannot write to /data/out ({os.strerror(number)})"
    assert error.remedy
