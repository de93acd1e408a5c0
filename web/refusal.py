"""Questions that are refused: the status of HTTP, a code for programs, a sentence for people."""

from typing import Any

from model.errors import TailraceError, UsageError
from store.queries.errors import NotFoundError


class RefusedError(Exception):
    """One of them.

    :param hint: what to do next.
    :param retry_after_s: seconds after which it may be asked again; 0: not said.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def refusal_of(error: TailraceError, unreadable: str = "store_unreadable") -> RefusedError:
    """The same error for HTTP.

    :param unreadable: the code if what is asked for cannot be read.
    """
    if isinstance(error, NotFoundError):
        return RefusedError(404, "not_found", error.what, error.remedy)
    if isinstance(error, UsageError):
        return RefusedError(400, "bad_request", error.what, error.remedy)
    return RefusedError(503, unreadable, error.what, error.remedy)
