"""The files of the page, read and compressed once, with what browsers are told about them."""

from pathlib import Path
from typing import Final

from web.sending import SMALLEST, Prepared, prepared

_FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: What the page may do: load its own files, ask its own server, nothing else.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Of every answer.
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


def page_files(folder: Path = _FOLDER) -> dict[str, Prepared]:
    """By path within the folder; what browsers do not read is left out."""
    return {
        path.relative_to(folder).as_posix(): prepared(path.read_bytes(), _TYPES[path.suffix], SMALLEST)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
