"""The mapped ring: what is complete is shown in order, wherever it lies; its room is given back when asked for."""

import mmap
import os
from collections.abc import Iterator

import numpy as np
import pytest

from probes.kernel.layout import shared_record, structs
from probes.kernel.ring import RingReader

RECORDS = 16
SIZE = RECORDS * shared_record().itemsize
BUSY, DISCARDED = 1 << 31, 1 << 30


class ModelRing:
    """A file that looks like the kernel's ring as a reader maps it: two pages of positions, then the data."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * mmap.PAGESIZE + SIZE)
        memory = mmap.mmap(self.fd, 0)
        self.consumer = np.frombuffer(memory, np.uint64, 1)
        self.producer = np.frombuffer(memory, np.uint64, 1, mmap.PAGESIZE)
        self.records = np.frombuffer(memory, shared_record(), RECORDS, 2 * mmap.PAGESIZE)
        self.made = 0

    def emit(self, count: int, *, busy: bool = False) -> None:
        """Records numbered on."""
        for number in range(self.made, self.made + count):
            place = number % RECORDS
            self.records["event"]["header"]["at_ns"][place] = number
            self.records["length"][place] = BUSY if busy else 248
        self.made += count
        self.producer[0] += np.uint64(count * shared_record().itemsize)

    def commit(self, number: int) -> None:
        self.records["length"][number % RECORDS] = 248

    @property
    def room(self) -> int:
        """Records that the kernel may write."""
        return RECORDS - int(self.producer[0] - self.consumer[0]) // shared_record().itemsize


@pytest.fixture
def model() -> Iterator[ModelRing]:
    made = ModelRing()
    yield made
    os.close(made.fd)


@pytest.fixture
def ring(model: ModelRing) -> RingReader:
    return RingReader(model.fd, SIZE, structs("tcp")["socket_event"])


def numbers(events: np.ndarray) -> list[int]:
    listed: list[int] = events["header"]["at_ns"].tolist()
    return listed


def test_an_empty_ring_shows_nothing(ring: RingReader) -> None:
    """Neither at the start nor after all was read."""
    assert numbers(ring.peek()) == []


def test_order_is_kept_across_the_end(model: ModelRing, ring: RingReader) -> None:
    """Records on both sides of the end of the data are one array."""
    model.emit(12)
    assert numbers(ring.read()) == list(range(12))
    model.emit(10)
    assert numbers(ring.peek()) == list(range(12, 22))


def test_marks_hold_across_the_end(model: ModelRing, ring: RingReader) -> None:
    """A discarded record behind the end is left out, one that is being written there holds back those after it."""
    model.emit(14)
    ring.read()
    model.emit(4)
    model.records["length"][0] = DISCARDED | 248
    model.emit(1, busy=True)
    model.emit(1)
    assert numbers(ring.read()) == [14, 15, 17]
    model.commit(18)
    assert numbers(ring.read()) == [18, 19]
    assert model.room == RECORDS


def test_a_full_ring_is_shown_whole(model: ModelRing, ring: RingReader) -> None:
    """Wherever it begins."""
    for begin in (0, RECORDS, 2 * RECORDS + 1):
        model.emit(begin - model.made)
        ring.read()
        model.emit(RECORDS)
        assert numbers(ring.read()) == list(range(begin, begin + RECORDS))


def test_a_record_being_written_holds_back_those_after_it(model: ModelRing, ring: RingReader) -> None:
    """They are shown once it is complete."""
    model.emit(2)
    model.emit(1, busy=True)
    model.emit(3)
    assert numbers(ring.read()) == [0, 1]
    assert numbers(ring.read()) == []
    model.commit(2)
    assert numbers(ring.read()) == [2, 3, 4, 5]


def test_a_record_that_its_program_discarded_is_left_out(model: ModelRing, ring: RingReader) -> None:
    """Its room is given back all the same."""
    model.emit(3)
    model.records["length"][1] = DISCARDED | 248
    assert numbers(ring.read()) == [0, 2]
    assert model.room == RECORDS


def test_only_what_was_shown_makes_room(model: ModelRing, ring: RingReader) -> None:
    """What came between a look and its release stays; a second release gives back nothing."""
    model.emit(5)
    shown = ring.peek()
    model.emit(4)
    assert model.room == RECORDS - 9
    ring.release()
    ring.release()
    assert numbers(shown) == list(range(5))
    assert model.room == RECORDS - 4
    assert numbers(ring.read()) == [5, 6, 7, 8]
    assert model.room == RECORDS
