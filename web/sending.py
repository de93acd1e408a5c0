"""Bytes on their way: named by an ETag, compressed where the client takes it, left out where the client has them."""

import gzip
import hashlib
from dataclasses import dataclass
from typing import Final

from aiohttp import web

#: Bodies from this size on are compressed.
_COMPRESSED_FROM: Final = 1024
#: Level of gzip at which it takes less time than sending does; ``SMALLEST`` is for what is compressed once.
_LEVEL: Final = 5
SMALLEST: Final = 9


@dataclass(frozen=True)
class Prepared:
    """A body that is ready to be sent.

    :param compressed: the same by gzip; None: too small to gain by it.
    """

    body: bytes
    compressed: bytes | None
    content_type: str
    etag: str


def prepared(body: bytes, content_type: str, level: int = _LEVEL) -> Prepared:
    """Ready to be sent, to whoever asks."""
    compressed = gzip.compress(body, level, mtime=0) if len(body) >= _COMPRESSED_FROM else None
    return Prepared(body, compressed, content_type, etag_of(body))


def etag_of(body: bytes) -> str:
    """Names these very bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def sent(request: web.Request, ready: Prepared, cache: str) -> web.Response:
    """The body, or that it is the one that the client has.

    :param cache: of ``Cache-Control``.
    """
    headers = {"ETag": ready.etag, "Cache-Control": cache, "Vary": "Accept, Accept-Encoding"}
    if ready.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = ready.content_type
    if ready.compressed is None or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=ready.body, headers=headers)
    return web.Response(body=ready.compressed, headers=headers | {"Content-Encoding": "gzip"})
