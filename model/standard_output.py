"""What a program says on standard output, and what happens if nobody takes it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

from model.errors import TailraceError

_DESCRIPTOR: Final = 1
_REMEDY: Final = "make room, or write elsewhere"


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """What is printed in the block is shown, or it is an error that says so.

    A reader that left (``tailrace doctor | head -1``) is no failure: what was found stays true.

    :raises TailraceError: if standard output is closed or full.
    """
    try:
        yield
    except BrokenPipeError:
        leave_output()
    except OSError as error:
        leave_output()
        raise TailraceError(f"cannot write to standard output ({error.strerror})", _REMEDY) from error


def moves_cursor(descriptor: int) -> bool:
    """Whether it is a terminal, and one on which escape codes mean something, as ``TERM`` says."""
    return os.isatty(descriptor) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def show(text: str) -> None:
    """Print ``text``, as in ``printing``."""
    with printing():
        print(text.removesuffix("\n"), flush=True)


def flushed(code: int) -> int:
    """Write out what was printed, as the last thing that a program does.

    :param code: the exit code so far.
    :returns: the same, or 1 if it was 0 and standard output cannot be written.
    """
    try:
        with printing():
            sys.stdout.flush()
    except TailraceError as error:
        print(f"tailrace: {error}", file=sys.stderr)
        return code or error.exit_code
    return code


def leave_output() -> None:
    """What is left in the buffer has nowhere to go: Python would try once more, and end with a code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _DESCRIPTOR)
