"""Requests of commands to a running Tailrace."""

import argparse
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.config import Config
from model.errors import TailraceError, UsageError

_SECONDS: Final = 60
#: What a server may answer at most.
_MOST_BYTES: Final = 256 << 20


def add_server(parser: argparse.ArgumentParser) -> None:
    """Options that say whom to ask."""
    parser.add_argument("--server", metavar="URL", help="the running Tailrace (default: as web.listen says)")
    parser.add_argument(
        "--token-file", metavar="FILE", default="", help="with the token that the server wants"
    )


def data_of(config: Config, options: argparse.Namespace, method: str, path: str, body: Any = None) -> Any:
    """The data of an answer; None: it has none.

    :param path: below ``/api/v1/``.
    :param body: sent as JSON; None: none is sent.
    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    scheme = "https" if config.web.tls_certificate else "http"
    server = options.server or f"{scheme}://{config.web.listen}"
    token = options.token_file or ("" if options.server else config.web.token_file)
    raw = None if body is None else msgspec.json.encode(body)
    answer = asked(server, path, token, method=method, body=raw)
    return msgspec.json.decode(answer)["data"] if answer else None


def asked(
    server: str, path: str, token_file: str, *, method: str = "GET", body: bytes | None = None
) -> bytes:
    """The bytes of an answer.

    :raises TailraceError: if nobody answers, or the answer is a refusal.
    """
    url = f"{server.rstrip('/')}/api/v1/{path}"
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{server} is no server", "write --server http://127.0.0.1:8686")
    headers = {"Accept": "application/json"} | _token(token_file)
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            answer: bytes = response.read(_MOST_BYTES)
            return answer
    except urllib.error.HTTPError as error:
        raise _refused(error) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TailraceError(
            f"{server} does not answer ({reason})", "is `tailrace run` or serve there?"
        ) from None


def _token(path: str) -> dict[str, str]:
    if not path:
        return {}
    try:
        return {"Authorization": f"Bearer {Path(path).read_text().strip()}"}
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})", "name the file with the token") from None


def _refused(error: urllib.error.HTTPError) -> TailraceError:
    """As the server says it."""
    try:
        said = msgspec.json.decode(error.read(1 << 20))["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return TailraceError(f"the server answered {error.code}", "is it Tailrace?")
    kind = UsageError if error.code == 400 else TailraceError
    return kind(said["message"], said["hint"])
