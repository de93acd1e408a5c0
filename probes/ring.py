"""The BPF ring buffer, mapped: all that waits in it as one numpy array, without a call per event.

Layout (kernel: kernel/bpf/ringbuf.c): a page with the consumer's position, writable; a page with the
producer's; then the data, mapped twice in a row. Records here have a power-of-two size, so none ever lies
across the end of the data and one mapping of it is enough.
"""

import mmap

import numpy as np

from probes.layout import ring_record, structs

_BUSY = np.uint32(1 << 31)


class Ring:
    """Reads records of one size from a ring buffer map.

    :param fd: the map's descriptor; the caller keeps it open and may wait on it for readability.
    :param size: bytes of data, a power of two.
    """

    def __init__(self, fd: int, size: int) -> None:
        page = mmap.PAGESIZE
        self._size = size
        self._record = ring_record()
        if size % self._record.itemsize:
            raise ValueError(f"records of {self._record.itemsize} bytes do not divide a ring of {size}")
        self._consumer_page = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._producer_pages = mmap.mmap(fd, page + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._consumer = np.frombuffer(self._consumer_page, np.uint64, 1)
        self._producer = np.frombuffer(self._producer_pages, np.uint64, 1)
        self._records = np.frombuffer(self._producer_pages, self._record, offset=page)

    def read(self) -> np.ndarray:
        """All complete records, oldest first, copied: an array of ``struct socket_event``."""
        begin, end = int(self._consumer[0]), int(self._producer[0])
        if begin == end:
            return np.empty(0, structs()["socket_event"])
        first = begin % self._size // self._record.itemsize
        waiting = (end - begin) // self._record.itemsize
        straight = self._records[first : first + waiting]
        records = np.concatenate((straight, self._records[: waiting - len(straight)]))
        busy = np.flatnonzero(records["length"] & _BUSY)
        if len(busy):
            records = records[: busy[0]]
        self._consumer[0] = begin + len(records) * self._record.itemsize
        events: np.ndarray = records["event"]
        return events

    def waiting(self) -> int:
        """Records that wait to be read."""
        return (int(self._producer[0]) - int(self._consumer[0])) // self._record.itemsize

    def close(self) -> None:
        """Unmaps the ring."""
        del self._consumer, self._producer, self._records
        self._consumer_page.close()
        self._producer_pages.close()
