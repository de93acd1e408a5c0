"""What is copied out of a ring while nobody reads, in order, and within its limit."""

import os
import select

import numpy as np

from probes.http2.collecting import Collector


class Ring:
    """One that the test fills and wakes."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0)
        self.records = np.zeros(0, np.int64)

    def read(self) -> np.ndarray:
        records, self.records = self.records, np.zeros(0, np.int64)
        return records

    def waiting(self) -> int:
        return len(self.records)

    def fill(self, *records: int) -> None:
        self.records = np.append(self.records, records)


def read(collector: Collector, most: int) -> list[int]:
    """Records in order."""
    return [int(record) for part in collector.read(most) for record in part]


def test_a_woken_ring_is_empty_before_anybody_reads() -> None:
    """And who reads is woken in turn."""
    ring = Ring()
    collector = Collector(ring, 3, 100)
    with select.epoll() as edges:
        edges.register(collector.fd, select.EPOLLIN | select.EPOLLET)
        for first in (0, 3):
            ring.fill(first, first + 1, first + 2)
            os.eventfd_write(ring.fd, 1)
            assert edges.poll(20)
            assert len(ring.records) == 0
    assert read(collector, 100) == [0, 1, 2, 3, 4, 5]
    collector.close()


def test_records_are_read_in_order_and_no_more_than_asked_for() -> None:
    """Also those that the ring had when it was asked, without being woken."""
    ring = Ring()
    collector = Collector(ring, 3, 100)
    ring.fill(1, 2, 3)
    assert collector.collect() == 3
    ring.fill(4, 5)
    assert collector.collect() == 5
    assert [read(collector, 2), read(collector, 2), read(collector, 2)] == [[1, 2], [3, 4], [5]]
    assert collector.collect() == 0
    collector.close()


def test_what_is_beyond_the_limit_stays_in_the_ring() -> None:
    """Until there is room again; it is counted, for who reads all that waits reads that, too."""
    ring = Ring()
    collector = Collector(ring, 1, 2)
    ring.fill(1, 2, 3)
    collector.collect()
    ring.fill(4)
    assert collector.collect() == 4
    assert len(ring.records) == 1
    assert read(collector, 2) == [1, 2]
    assert read(collector, 2) == [3, 4]
    collector.close()
