"""What a question can be wrong about."""

from model.errors import TailraceError


class NotFoundError(TailraceError):
    """There is nothing of that name or time in the store."""
