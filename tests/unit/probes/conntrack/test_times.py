"""When messages of ctnetlink were made, found again by entry."""

import numpy as np
import pytest

from probes.conntrack import times
from probes.conntrack.ctnetlink import MSG_DELETE, MSG_NEW
from probes.conntrack.times import EntryTimes
from probes.kernel.layout import structs

_TIME = structs("conntrack")["conntrack_time"]


class Ring:
    """What the filter wrote, in the place of the kernel's ring."""

    def __init__(self, *_: object) -> None:
        self.written: list[tuple[int, int, int, int]] = []

    def waiting(self) -> int:
        return len(self.written)

    def read(self) -> np.ndarray:
        written, self.written = self.written, []
        return np.array(written, _TIME)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = Ring()
    monkeypatch.setattr(times, "RingReader", lambda *_: made)
    return made


def test_each_message_has_its_own_time(ring: Ring) -> None:
    """Also where an entry's number is used again in one look, and messages of several processors are mixed."""
    subject = EntryTimes(0, 0)
    ring.written = [(1, 7, MSG_NEW, 0), (2, 8, MSG_NEW, 0), (3, 7, MSG_DELETE, 0), (4, 7, MSG_NEW, 0)]
    ids, new = np.array([8, 7, 7, 7, 9], np.uint32), np.array([True, True, False, True, True])
    first, last = subject.of(ids, new)
    assert first.tolist() == last.tolist() == [2, 1, 3, 4, 0]


def test_a_time_that_may_be_another_messages_is_a_span(ring: Ring) -> None:
    """Of four uses of a number two messages were lost, nobody knows which: each time is known to a span."""
    subject = EntryTimes(0, 0)
    ring.written = [(at_ns, 7, MSG_NEW, 0) for at_ns in (1, 2, 3, 4)] + [(5, 8, MSG_NEW, 0)]
    ids, new = np.array([7, 8, 7], np.uint32), np.array([True, True, True])
    first, last = subject.of(ids, new, lossy=True)
    assert (first.tolist(), last.tolist()) == ([1, 5, 2], [3, 5, 4])
    lost = subject.forget(subject.look())
    assert lost is not None
    assert lost.tolist() == [3, 4]


def test_messages_for_more_than_there_are_times_have_none(ring: Ring) -> None:
    """One of them found no room for its time: whose the others are is not known."""
    subject = EntryTimes(0, 0)
    ring.written = [(1, 7, MSG_NEW, 0), (2, 8, MSG_NEW, 0)]
    first, _ = subject.of(np.array([7, 7, 8], np.uint32), np.array([True, True, True]))
    assert first.tolist() == [0, 0, 2]


def test_a_ring_that_was_full_tells_no_times(ring: Ring) -> None:
    """Until the socket was empty: which messages have a time cannot be told."""
    subject = EntryTimes(0, 0)
    ring.written = [(at_ns + 1, at_ns, MSG_NEW, 0) for at_ns in range(times.RING_BYTES // 32)]
    assert subject.of(np.array([7], np.uint32), np.array([True]))[0].tolist() == [0]
    assert subject.forget(subject.look()) is None
    ring.written = [(99, 7, MSG_NEW, 0)]
    assert subject.of(np.array([7], np.uint32), np.array([True]))[0].tolist() == [99]


def test_times_of_messages_that_were_left_out_are_forgotten(ring: Ring) -> None:
    """The socket is empty: what was written before it was looked at will not come; what is written since may."""
    subject = EntryTimes(0, 0)
    ring.written = [(1, 7, MSG_NEW, 0)]
    before = subject.look()
    ring.written = [(2, 7, MSG_NEW, 0)]
    subject.look()
    subject.forget(before)
    assert subject.of(np.array([7], np.uint32), np.array([True]))[0].tolist() == [2]
