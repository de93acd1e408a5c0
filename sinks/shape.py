"""Which rows of a batch a sink gets, and which fields of them: applied before its queue, to whole columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from model.batch import Batch
from model.kind import Kind

#: The rows of a batch that are wanted.
Where = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Shape:
    """What is left of batches.

    :param where: filters, one after the other.
    :param narrowed: kinds with fewer fields by their names; rows of others are whole.
    """

    where: Sequence[Where] = ()
    narrowed: dict[str, Kind] = field(default_factory=dict)

    def __call__(self, batch: Batch) -> Batch:
        """The batch, which may be without rows: it still says that its window is complete."""
        for wanted in self.where:
            batch = wanted(batch)
        kind = self.narrowed.get(batch.kind.name)
        return replace(batch, kind=kind) if kind else batch
