"""Batches that a sink gathers until they are made safe together."""

from collections.abc import Awaitable, Callable, Sequence

from model.batch import Batch
from model.errors import SinkError

#: Makes batches of one kind safe.
Deliver = Callable[[Sequence[Batch]], Awaitable[None]]


class Gathered:
    """Batches by kind. What a flush could not deliver is there for the next attempt.

    A write that comes after a failed flush tells that there are no more attempts: the rows count as lost and are
    given up.
    """

    def __init__(self) -> None:
        self._batches: dict[str, list[Batch]] = {}
        self._failed = False

    def add(self, batch: Batch) -> None:
        """One more."""
        if self._failed:
            self.clear()
        if len(batch):
            self._batches.setdefault(batch.kind.plural, []).append(batch)

    def clear(self) -> None:
        """Give all up."""
        self._batches, self._failed = {}, False

    async def deliver(self, deliver: Deliver) -> None:
        """Deliver kind by kind; what was delivered is no part of a further attempt.

        :raises SinkError: retryable, at the first that is; else with all rows that were lost for good.
        """
        refused: SinkError | None = None
        lost = 0
        for name in list(self._batches):
            try:
                await deliver(self._batches[name])
            except SinkError as error:
                if error.retryable:
                    self._failed = True
                    raise
                rows = sum(map(len, self._batches[name]))
                refused, lost = (
                    error,
                    lost + (rows if error.lost_rows is None else min(rows, error.lost_rows)),
                )
            del self._batches[name]
        self._failed = False
        if refused:
            raise SinkError(refused.what, refused.remedy, reason=refused.reason, lost_rows=lost)
