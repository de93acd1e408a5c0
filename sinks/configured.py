"""A sink, and what the configuration says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from model.kind import Kind
from model.sink import Sink
from sinks.limits import Limits
from sinks.shape import Shape


@dataclass(frozen=True)
class ConfiguredSink:
    """What the fan-out needs to know of a sink. Two are equal that are configured alike.

    :param kinds: of the rows that it gets; empty for all.
    :param title: what errors call it: with the package that it comes from.
    :param shape: what it gets of each batch.
    :param settings: what the sink and the shape were made with.
    """

    sink: Sink = field(compare=False)
    kinds: Sequence[Kind] = ()
    limits: Limits = field(default_factory=Limits)
    title: str = ""
    shape: Shape = field(default_factory=Shape, compare=False)
    settings: object = None

    def wants(self, kind: Kind) -> bool:
        """Whether it gets batches of this kind."""
        if kind.to_all_sinks:
            return getattr(self.sink, "ledgers", False)
        return not self.kinds or kind in self.kinds
