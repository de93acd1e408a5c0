"""The BPF ring buffer, mapped: all that waits in it as one numpy array, without a call per event.

Layout (kernel: kernel/bpf/ringbuf.c): a page with the consumer's position, writable; a page with the
producer's; then the data, mapped twice in a row. Records here have a power-of-two size, so none ever lies
across the end of the data and one mapping of it is enough.
"""

import mmap

import numpy as np

from probes.layout import ring_record

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
        # The same memory without fields: numpy copies structs field by field, void by the row.
        self._rows = self._records.view(f"V{self._record.itemsize}")
        self._buffer = self._rows[:0].copy()

    def read(self) -> np.ndarray:
        """All complete records, oldest first: an array of ``struct socket_event``, valid until the next call."""
        begin, end = int(self._consumer[0]), int(self._producer[0])
        first, capacity = begin % self._size // self._record.itemsize, len(self._rows)
        waiting = self._complete(first, (end - begin) // self._record.itemsize)
        if len(self._buffer) < waiting:
            self._buffer = np.empty(min(capacity, 2 * waiting), self._rows.dtype)
        straight = min(waiting, capacity - first)
        self._buffer[:straight] = self._rows[first : first + straight]
        self._buffer[straight:waiting] = self._rows[: waiting - straight]
        self._consumer[0] = begin + waiting * self._record.itemsize
        events: np.ndarray = self._buffer[:waiting].view(self._record)["event"]
        return events

    def _complete(self, first: int, waiting: int) -> int:
        """How many of the waiting records come before one that is still being written."""
        lengths = self._records["length"]
        for begin, end, before in (
            (first, min(first + waiting, len(lengths)), 0),
            (0, max(0, first + waiting - len(lengths)), len(lengths) - first),
        ):
            if end > begin and lengths[begin:end].max() >= _BUSY:
                return before + int((lengths[begin:end] >= _BUSY).argmax())
        return waiting

    def waiting(self) -> int:
        """Records that wait to be read."""
        return (int(self._producer[0]) - int(self._consumer[0])) // self._record.itemsize

    def close(self) -> None:
        """Unmaps the ring."""
        del self._consumer, self._producer, self._records, self._rows
        self._consumer_page.close()
        self._producer_pages.close()
