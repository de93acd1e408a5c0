"""A BPF array in memory, mapped as far as it is used: memory of slots that were never taken is not touched."""

import mmap

import numpy as np

from probes.kernel.layout import copied

#: Rows mapped at first, and what a mapping grows by at least: it doubles.
FIRST_ROWS = 1024


class MappedArray:
    """Elements of a BPF_F_MMAPABLE array as a numpy structured array.

    :param fd: the map's descriptor.
    :param rows: elements of the map.
    """

    def __init__(self, fd: int, dtype: np.dtype[np.void], rows: int) -> None:
        self._fd = fd
        self._dtype = dtype
        self._rows = rows
        self._view = np.empty(0, dtype)

    def view(self, rows: int) -> np.ndarray:
        """The first elements, at least ``rows`` of them (fewer only at the end of the map); not a copy."""
        if len(self._view) < min(rows, self._rows):
            self._view = self._map(min(self._rows, max(FIRST_ROWS, 2 * len(self._view), rows)))
        return self._view

    def copy(self, rows: int) -> np.ndarray:
        """A copy of the first ``rows`` elements."""
        return copied(self.view(rows)[:rows])

    def _map(self, rows: int) -> np.ndarray:
        pages = -(-rows * self._dtype.itemsize // mmap.PAGESIZE)
        memory = mmap.mmap(self._fd, pages * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)
        return np.frombuffer(memory, self._dtype, rows)
