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
    assert subject.of(ids, new).tolist() == [2, 1, 3, 4, 0]


def test_times_of_messages_that_were_left_out_are_forgotten(ring: Ring) -> None:
    """The socket is empty: what was written before it was looked at will not come; what is written since may."""
    subject = EntryTimes(0, 0)
    ring.written = [(1, 7, MSG_NEW, 0)]
    before = subject.look()
    ring.written = [(2, 7, MSG_NEW, 0)]
    subject.look()
    subject.forget(before)
    assert subject.of(np.array([7], np.uint32), np.array([True])).tolist() == [2]
