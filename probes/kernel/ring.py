"""The BPF ring buffer, mapped: all that waits in it as one numpy array, without a call per event.

Layout (kernel: kernel/bpf/ringbuf.c): a page with the consumer's position, writable; a page with the
producer's; then the data, twice in a row, of which the first is mapped: the second time its pages would count as
resident once more. What waits on both sides of its end is copied into one array.
"""

import contextlib
import mmap

import numpy as np

from probes.kernel.layout import copied, joined, ring_record, rows_where

_BUSY, _DISCARDED = np.uint32(1 << 31), np.uint32(1 << 30)


class RingReader:
    """Reads records of one size from a ring buffer map.

    :param fd: the map's descriptor; the caller keeps it open and may wait on it for readability.
    :param size: bytes of data, a power of two.
    :param event: the struct of its records.
    """

    def __init__(self, fd: int, size: int, event: np.dtype[np.void]) -> None:
        page = mmap.PAGESIZE
        #: Readable when the kernel wakes whoever waits.
        self.fd = fd
        self._size = size
        self._record = ring_record(event)
        if size % self._record.itemsize:
            raise ValueError(f"records of {self._record.itemsize} bytes do not divide a ring of {size}")
        self._consumer_page = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._producer_pages = mmap.mmap(fd, page + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumer = np.frombuffer(self._consumer_page, np.uint64, 1)
        self._producer = np.frombuffer(self._producer_pages, np.uint64, 1)
        self._records = np.frombuffer(self._producer_pages, self._record, offset=page)
        self._events = self._records["event"]
        self._lengths = self._records["length"]
        self._shown = 0

    def peek(self) -> np.ndarray:
        """All complete records, oldest first: an array of events, valid until ``release``, which makes room for as
        many new ones. It lies in the ring itself, unless what waits goes on at the ring's beginning."""
        begin = int(self._consumer[0])
        first = begin % self._size // self._record.itemsize
        count = (int(self._producer[0]) - begin) // self._record.itemsize
        lengths = self._part(self._lengths, first, count)
        marked = bool(len(lengths)) and lengths.max() >= _DISCARDED
        if marked and lengths.max() >= _BUSY:  # one that is still being written
            count = int((lengths >= _BUSY).argmax())
        self._shown = count
        events = self._part(self._events, first, count)
        return rows_where(copied(events), lengths[:count] < _DISCARDED) if marked else events

    @staticmethod
    def _part(column: np.ndarray, first: int, count: int) -> np.ndarray:
        """So many rows from the first on, which go on at the beginning behind the last."""
        beyond = first + count - len(column)
        return joined(column[first:], column[:beyond]) if beyond > 0 else column[first : first + count]

    def release(self) -> None:
        """Gives the room of what ``peek`` showed last back to the kernel."""
        self._consumer[0] += np.uint64(self._shown * self._record.itemsize)
        self._shown = 0

    def read(self) -> np.ndarray:
        """A copy of what ``peek`` shows, its room given back."""
        events = copied(self.peek())
        self.release()
        return events

    def waiting(self) -> int:
        """Records that wait to be read."""
        return (int(self._producer[0]) - int(self._consumer[0])) // self._record.itemsize

    def close(self) -> None:
        """Unmaps the ring."""
        del self._consumer, self._producer, self._records, self._events, self._lengths
        for mapping in (self._consumer_page, self._producer_pages):
            with contextlib.suppress(BufferError):  # somebody still holds what was shown: unmapped with that
                mapping.close()
