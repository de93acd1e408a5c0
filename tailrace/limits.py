"""Limits of the process below which libraries end it by a signal or with words of their own: known before any is
loaded."""

import resource
from typing import Final

_MEGABYTE: Final = 1 << 20
#: Of the address space, for what every command loads; what it then needs is told where it is missing.
LOADED_BYTES: Final = 192 * _MEGABYTE
#: Of the stack: threads get as much each. Below 80 kB Python itself ends before it can say anything.
STACK_BYTES: Final = _MEGABYTE


def complaint() -> str | None:
    """The limit that is too low, and what to do; None if none is."""
    memory, stack = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_STACK))
    if 0 <= memory < LOADED_BYTES:
        return _too_low("memory (ulimit -v)", memory, LOADED_BYTES)
    if 0 <= stack < STACK_BYTES:
        return _too_low("the stack (ulimit -s)", stack, STACK_BYTES)
    return None


def _too_low(name: str, limit: int, need: int) -> str:
    return f"the limit of {name} is {limit >> 10:,} kB: raise it to {need >> 10:,} kB or more"
