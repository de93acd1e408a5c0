"""Rotated files as zstd: the compressed one takes the place of the other when it is whole."""

import logging
import os
from pathlib import Path
from typing import Any, Final

from model.extras import extra

SUFFIX: Final = ".zst"
#: Ends the name of a file that is not whole.
UNFINISHED: Final = ".unfinished"
#: Of zstd: 3 takes a ninth of the room at half a gigabyte a second.
_LEVEL: Final = 3
_PIECE: Final = 1 << 20

log = logging.getLogger(__name__)


def zstandard() -> Any:
    """The module.

    :raises UsageError: if it is not installed.
    """
    return extra("zstandard", "zstd", "compression needs zstandard")


def compress(path: Path) -> None:
    """Put ``path.zst`` in the place of ``path``. If that fails, ``path`` stays, and the log says why."""
    target = path.with_name(path.name + SUFFIX)
    unfinished = target.with_name(target.name + UNFINISHED)
    try:
        with path.open("rb") as source, unfinished.open("wb") as sink:
            zstandard().ZstdCompressor(level=_LEVEL).copy_stream(source, sink, read_size=_PIECE)
            sink.flush()
            os.fsync(sink.fileno())
        unfinished.chmod(path.stat().st_mode & 0o777)
        unfinished.rename(target)
        path.unlink()
    except OSError as error:
        log.warning("cannot compress %s (%s): it stays as it is", path, error)
        unfinished.unlink(missing_ok=True)
