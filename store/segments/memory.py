"""Memory that big answers leave behind goes back to the system."""

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    """``malloc_trim`` of glibc; None in other C libraries, which keep less."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Let the system have what is free: glibc keeps pages between blocks that are in use, 100 MB after some maps."""
    trim = _trim()
    if trim is not None:
        trim(0)
