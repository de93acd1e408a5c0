"""From when until when: the API's timestamps and the time of events made one.

The API cuts the fraction off its timestamps, they are of several clocks, and an event is seen later than what it
tells. So a timestamp counts where there is one, but never after the moment at which this process was told. Two
pods that have the same address one after the other are told apart by the later one's beginning: it is not before
the end of its predecessor.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from model.enricher import OPEN, Identity

SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def nanoseconds(stamp: datetime | None) -> int:
    """Wall clock; 0 for none."""
    return (stamp - _EPOCH) // _MICROSECOND * 1000 if stamp else 0


def begin_of(stamp_ns: int, now_ns: int, before: Identity | None) -> int:
    """When an address began to be somebody's.

    :param stamp_ns: what the API says, 0 if nothing.
    :param now_ns: when it was told.
    :param before: who began last to have the address.
    """
    begin = min(stamp_ns or now_ns, now_ns)
    if before is None:
        return begin
    if before.end_ns == OPEN and begin > before.begin_ns:
        # Its end has not been told yet. The stamp means any time of its second: the last of it, for up to there
        # the other one may have been alive.
        begin = min(begin + SECOND, now_ns)
    elif before.end_ns != OPEN:
        begin = min(max(begin, before.end_ns), now_ns)
    return max(begin, before.begin_ns + 1)


def end_of(finished_ns: int, deletion_ns: int, shown_ns: int, now_ns: int) -> int:
    """When a pod ceased to have its address.

    :param finished_ns: the end of its last container, 0 if not all have ended.
    :param deletion_ns: the latest moment that its graceful deletion allows, 0 for none.
    :param shown_ns: when the API showed it last.
    :param now_ns: when the end was told or noticed.
    """
    if finished_ns:
        return min(finished_ns + SECOND, now_ns)
    if deletion_ns + SECOND > shown_ns:
        return min(deletion_ns + SECOND, now_ns)
    return now_ns
