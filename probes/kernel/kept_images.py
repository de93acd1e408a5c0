"""Keeps what was compiled: the next start with the same source on the same kernel needs no compiler.

Each image is a file, ``programs/NAME`` below ``probes.kernel.headers.cache_root()``: 32 bytes of SHA-256, then the
image. NAME is made from all that what is compiled depends on.
"""

import contextlib
import hashlib
import importlib.util
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, Final

import msgpack

from probes.kernel.bpf.maps import possible_cpus
from probes.kernel.headers import build_key, cache_root
from probes.kernel.image import FORMAT, Image, decoded, encoded

#: Images that are kept, two for each configuration; the one that was not used for longest goes first.
LIMIT: Final = 64
_DIGEST_BYTES: Final = 32


def image_path(request: dict[str, Any]) -> Path | None:
    """Where the image of a request to the compiler is kept; None where there is no bcc to make one.

    What is compiled depends on the request, the running kernel, its processors, and bcc.
    """
    bcc = importlib.util.find_spec("bcc")
    if bcc is None or bcc.origin is None:
        return None
    made = Path(bcc.origin).stat()
    others = (FORMAT, build_key(), possible_cpus(), bcc.origin, made.st_mtime_ns, made.st_size)
    digest = hashlib.sha256(msgpack.packb([request, *others])).hexdigest()
    return cache_root() / "programs" / digest[:32]


def kept_image(path: Path) -> Image | None:
    """The image at a place; None where there is none that is whole, or where others than its user may write."""
    try:
        with path.open("rb") as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            kept = file.read()
        digest, packed = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
        if hashlib.sha256(packed).digest() != digest:  # the power failed soon after it was written
            return None
        os.utime(path)
        return decoded(packed)
    except OSError:
        return None


def keep_image(path: Path, image: Image) -> None:
    """Keeps an image, if there is room for it; it is there whole or not at all."""
    packed = encoded(image)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(hashlib.sha256(packed).digest() + packed)
                file.flush()
                Path(file.name).rename(path)
            except OSError:
                Path(file.name).unlink()
                raise
        _drop_oldest(path.parent)


def _ours(facts: os.stat_result) -> bool:
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _drop_oldest(folder: Path) -> None:
    """Also what a sudden end left half written: that is used no more."""
    for path in sorted(folder.iterdir(), key=_last_use)[:-LIMIT]:
        path.unlink(missing_ok=True)


def _last_use(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):  # another process dropped it
        return path.stat().st_mtime
    return 0.0
