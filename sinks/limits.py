"""Limits of each sink: how much waits for it, how often it is asked again, how much it gathers."""

from typing import Annotated

import msgspec

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class QueueLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What waits for the sink.

    :param rows: rows that wait at most; past it the oldest batch is dropped (``queue_full``).
    :param batches: batches that wait at most, likewise.
    """

    rows: Annotated[int, msgspec.Meta(ge=1)] = 200_000
    batches: Annotated[int, msgspec.Meta(ge=1)] = 256


class RetryLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How often a sink is asked again, where it says that this makes sense.

    :param attempts: attempts to write a batch, or to flush; then the rows are dropped. 0: until it works; what waits
        meanwhile is bounded by the queue.
    :param first_pause: seconds before the second attempt; each pause after it is twice as long.
    :param longest_pause: seconds between two attempts at most.
    """

    attempts: Annotated[int, msgspec.Meta(ge=0)] = 5
    first_pause: _Seconds = 0.1
    longest_pause: _Seconds = 5.0


class BatchLimits(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much the sink gathers before it must make the rows safe (``flush``).

    :param rows: rows that the sink gathers before it must make them safe.
    :param seconds: seconds for which it gathers them; 0: until nothing more waits.
    """

    rows: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class Limits(msgspec.Struct, frozen=True):
    """All limits of one sink."""

    queue: QueueLimits = QueueLimits()
    retry: RetryLimits = RetryLimits()
    batch: BatchLimits = BatchLimits()


#: Of sinks whose server may be away for long: they try until it is back.
PATIENT = Limits(retry=RetryLimits(attempts=0))
