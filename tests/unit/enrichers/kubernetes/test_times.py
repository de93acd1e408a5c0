"""When an address began and ceased to be a pod's: timestamps without fractions, clocks that differ, late news."""

import pytest

from enrichers.kubernetes.times import begin_of, end_of
from model.enricher import OPEN, Identity, KeyKind

S = 10**9


def held(begin: float, end: float | None = None) -> Identity:
    """Somebody else's interval, seconds."""
    end_ns = OPEN if end is None else int(end * S)
    return Identity(KeyKind.ADDRESS, "10.0.0.1", int(begin * S), end_ns, {})


@pytest.mark.parametrize(
    ("stamp", "now", "before", "expected"),
    [
        (10, 12, None, 10),  # the API's word
        (0, 12, None, 12),  # no word: when it was told
        (15, 12, None, 12),  # a clock that is ahead
        (10, 12, held(1, 10.3), 10.3),  # the predecessor ended within that second
        (10, 12, held(1, 5), 10),
        (10, 12, held(1, 20), 12),  # a predecessor's end that is too late by another clock
        (10, 10.7, held(1), 10.7),  # the predecessor's end is not told yet: as late as the stamp allows
        (10, 15, held(1), 11),
        (3, 15, held(12, 14), 14),  # a start long before it had the address
    ],
)
def test_beginning(stamp: float, now: float, before: Identity | None, expected: float) -> None:
    """Where there is a timestamp it counts, but not after it was told, and not before the predecessor's end."""
    assert begin_of(int(stamp * S), int(now * S), before) == int(expected * S)


def test_a_successor_never_takes_the_predecessors_place() -> None:
    """Two that begin at the same moment are kept apart by a nanosecond."""
    assert begin_of(10 * S, 10 * S, held(10)) == 10 * S + 1


@pytest.mark.parametrize(
    ("finished", "deletion", "shown", "now", "expected"),
    [
        (10, 0, 9, 20, 11),  # the last moment of the second in which the last container ended
        (10, 0, 9, 10.4, 10.4),  # told within that second
        (0, 0, 9, 20, 20),  # nothing known but that it is gone
        (0, 15, 9, 20, 16),  # gone unseen: its graceful deletion was over by then
        (0, 15, 9, 12, 12),  # sooner than its grace
        (0, 5, 9, 20, 20),  # it outlived its grace
    ],
)
def test_end(finished: float, deletion: float, shown: float, now: float, expected: float) -> None:
    """The last container's end if it is known, else the latest moment that is possible."""
    assert end_of(*(int(one * S) for one in (finished, deletion, shown, now))) == int(expected * S)
