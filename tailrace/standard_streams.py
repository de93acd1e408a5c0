"""Standard input, output and error as a program may find them: closed, full, without a reader, in ASCII."""

import io
import os
import sys
from typing import Any, Final

_INPUT: Final = 0
_OUTPUT: Final = 1
_ERROR: Final = 2


def provide() -> None:
    """Make the standard streams ones that can be used; to be called before anything opens a file.

    A descriptor from 0 to 2 that is closed would be the number of the next file opened, and what is printed would go
    into that. It becomes /dev/null: the output opened for reading, so that a write to it fails as it would have.
    """
    for descriptor, mode in ((_INPUT, os.O_RDONLY), (_OUTPUT, os.O_RDONLY), (_ERROR, os.O_WRONLY)):
        if not _is_open(descriptor):
            os.set_inheritable(os.open(os.devnull, mode), True)  # it gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(_INPUT, closefd=False)  # noqa: SIM115 - it is there until the program ends
    if sys.stdout is None:
        sys.stdout = open(_OUTPUT, "w", closefd=False)  # noqa: SIM115 - the same
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.stderr = _ErrorStream(_encoding(sys.stderr))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _encoding(stream: Any) -> str:
    return stream.encoding if stream else "utf-8"


class _ErrorStream(io.TextIOWrapper):
    """Standard error. What cannot be told there is not told, and changes neither what is done nor the exit code."""

    def __init__(self, encoding: str) -> None:
        raw = io.FileIO(_ERROR, "w", closefd=False)
        super().__init__(
            io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True
        )

    def write(self, text: str, /) -> int:
        """Write ``text``, if that can be done."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Write what is kept, if that can be done."""
        try:
            super().flush()
        except OSError:
            return
