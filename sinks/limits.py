"""Limits of each sink: how much waits for it, how often it is asked again, how much it gathers."""

from typing import Annotated

import msgspec

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class QueueLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What waits for the sink at most; past it the oldest batch is dropped (``queue_full``).

    :param rows: of all waiting batches.
    :param batches: that wait.
    """

    rows: Annotated[int, msgspec.Meta(ge=1)] = 200_000
    batches: Annotated[int, msgspec.Meta(ge=1)] = 256


class RetryLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How often a batch that the sink could not take is offered.

    :param attempts: in all; then the batch is dropped.
    :param first_pause: seconds before the second attempt; each further pause is twice as long.
    :param longest_pause: seconds between two attempts at most.
    """

    attempts: Annotated[int, msgspec.Meta(ge=1)] = 5
    first_pause: _Seconds = 0.1
    longest_pause: _Seconds = 5.0


class BatchLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much the sink gathers before it must make the rows safe (``flush``).

    :param rows: written since the last flush.
    :param seconds: since the first of them; 0: as soon as nothing more waits.
    """

    rows: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class Limits(msgspec.Struct, frozen=True):
    """All limits of one sink."""

    queue: QueueLimits = QueueLimits()
    retry: RetryLimits = RetryLimits()
    batch: BatchLimits = BatchLimits()
