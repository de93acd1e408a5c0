"""Load generators in C, compiled when a figure asks for them."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.children import find, finish

COMPILE_SECONDS = 60


@contextlib.contextmanager
def built(name: str) -> Iterator[Path]:
    """The program made from ``NAME.c`` of this folder; it is gone when the block is left.

    :raises TailraceError: without a compiler, or if it refuses the source.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as folder:
        program = Path(folder, name)
        source = Path(__file__).with_name(f"{name}.c")
        finish(
            [find("gcc", "gcc libc6-dev"), "-O2", "-Wall", "-pthread", "-o", program, source], COMPILE_SECONDS
        )
        yield program
