"""Why a request to the Kubernetes API failed, and what follows from it."""

from email.utils import parsedate_to_datetime
from time import time
from typing import Final

import msgspec

from enrichers.kubernetes.objects import Status
from enrichers.kubernetes.resources import Resource

#: Codes after which only a new list helps: the version is too old (410), not understood (400), or one that this
#: server has not reached (504 with the cause ResourceVersionTooLarge, after etcd was restored from a copy).
_RELIST: Final = (400, 410, 504)
#: Seconds that a server may ask to wait, at most.
LONGEST_WAIT: Final = 300.0


class Failure(Exception):
    """The API could not be asked.

    :param wait: seconds that the server asks to wait; 0 if it does not say.
    """

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class Expired(Failure):
    """The version from which to go on is no longer known (410 Gone): list again."""


class Unauthorized(Failure):
    """The token is not, or no longer, valid (401): read it again."""


class Forbidden(Failure):
    """A right is missing (403)."""


def failure_of(status: Status, resource: Resource, wait: float = 0.0) -> Failure:
    """What an answer, or an event of the type ERROR, means."""
    code = status.code
    answer = f"{code} {status.reason}: {status.message}".removesuffix(": ")
    if code in _RELIST:
        return Expired(answer)
    if code == 401:
        return Unauthorized("the API server does not take the token or certificate (401): renew it")
    if code == 403:
        whom = _user(status.message)
        return Forbidden(
            f"allow {resource.rule}{whom}: see docs/kubernetes.md; the API server said: {answer}"
        )
    return Failure(f"the API server answered {answer}", wait)


def status_of(code: int, body: bytes) -> Status:
    """The status in the body of an answer; proxies send other bodies."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, msgspec.ValidationError):
        status = Status()
    return Status(code, status.reason, status.message or body[:200].decode(errors="replace"))


def retry_after(header: str | None) -> float:
    """Seconds of the header Retry-After, which holds seconds or a date (RFC 9110, 10.2.3); 0 without it."""
    if not header:
        return 0.0
    try:
        seconds = (
            float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - time()
        )
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _user(message: str) -> str:
    """Who was refused, as the server's message tells: ``User "NAME" cannot …``."""
    name = message.partition('User "')[2].partition('"')[0]
    return f" to {name}" if name else ""
