"""What a sink gathers until it is made safe: batches, then the requests that are made of them."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from model.batch import Batch
from model.errors import SinkError

Payload = TypeVar("Payload")


class Request(NamedTuple, Generic[Payload]):
    """What is sent at once.

    :param rows: that are in it.
    """

    rows: int
    payload: Payload


class Gathered(Generic[Payload]):
    """Batches by kind. What a flush could not deliver is there for the next attempt.

    A write that comes after a failed flush tells that there are no more attempts: the rows count as lost and are
    given up.

    :param make: of batches of one kind.
    :param send: one of them; returns when it is safe.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Batch]], Iterable[Request[Payload]]],
        send: Callable[[Payload], Awaitable[None]],
    ) -> None:
        self._make = make
        self._send = send
        self._batches: dict[str, list[Batch]] = {}
        self._requests: deque[Request[Payload]] = deque()
        self._refused: SinkError | None = None
        self._lost = 0
        self._failed = False

    def add(self, batch: Batch) -> None:
        """One more."""
        if self._failed:
            self.clear()
        if len(batch):
            self._batches.setdefault(batch.kind.plural, []).append(batch)

    def clear(self) -> None:
        """Give all up."""
        self._batches.clear()
        self._requests.clear()
        self._refused, self._lost, self._failed = None, 0, False

    async def deliver(self) -> None:
        """Send all; what was sent is no part of a further attempt.

        :raises SinkError: retryable, at the first that is; else with all rows that were lost for good.
        """
        while self._batches:
            self._requests.extend(self._make(self._batches.pop(next(iter(self._batches)))))
        while self._requests:
            await self._next()
        refused, lost = self._refused, self._lost
        self.clear()
        if refused:
            raise SinkError(refused.what, refused.remedy, reason=refused.reason, lost_rows=lost)

    async def _next(self) -> None:
        """Send the first request."""
        request = self._requests[0]
        try:
            await self._send(request.payload)
        except SinkError as error:
            if error.retryable:
                self._failed = True
                raise
            self._refused = error
            self._lost += request.rows if error.lost_rows is None else min(request.rows, error.lost_rows)
        self._requests.popleft()
