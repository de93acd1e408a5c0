"""The one error of the self-test's own traffic."""

from model.errors import TailraceError


class TrafficError(TailraceError):
    """The known traffic could not be made as planned, so there is no truth to compare with."""
