"""Empties a ring into memory while it fills, so that whoever reads it may be at work meanwhile."""

import os
import select
import threading
from collections import deque
from typing import Protocol

import numpy as np


class Ring(Protocol):
    """Records that wait to be read."""

    @property
    def fd(self) -> int:
        """Readable, at an edge, when the kernel wakes whoever waits."""

    def read(self) -> np.ndarray:
        """A copy of all of them, oldest first, their room given back."""

    def waiting(self) -> int:
        """How many there are."""


class Collector:
    """Copies what is in the ring in a thread of its own, whenever the kernel wakes it.

    :param much: records that are worth to be read: when so many wait, ``fd`` says so.
    :param most: records that are kept. What comes beyond stays in the ring, whose writer counts what finds no room;
        so that at most as many as this, and a ring of them, are in memory.
    """

    def __init__(self, ring: Ring, much: int, most: int) -> None:
        self._ring = ring
        self._much = much
        self._most = most
        self._lock = threading.Lock()
        self._kept: deque[np.ndarray] = deque()
        self._waiting = 0
        #: Readable, at an edge, when there is much to read.
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="HTTP/2 records", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Edge-triggered, as the kernel wakes once in many records: else the ring is ready with the first.
        with select.epoll() as edges:
            edges.register(self._end, select.EPOLLIN)
            edges.register(self._ring.fd, select.EPOLLIN | select.EPOLLET)
            while self._end not in dict(edges.poll()):
                if self.collect() >= self._much:
                    os.eventfd_write(self.fd, 1)

    @property
    def kept(self) -> int:
        """How many records were copied and not read yet."""
        return self._waiting

    def collect(self) -> int:
        """Copies what the ring has, if there is room for it.

        :return: how many records wait to be read, those included that stay in the ring.
        """
        with self._lock:
            self._fill()
            return self._waiting + self._ring.waiting()

    def _fill(self) -> None:
        if self._waiting < self._most and self._ring.waiting():
            records = self._ring.read()
            if len(records):
                self._kept.append(records)
            self._waiting += len(records)

    def read(self, most: int) -> list[np.ndarray]:
        """The oldest records that wait, at most so many; in order."""
        taken = []
        with self._lock:
            self._fill()
            while self._kept and most:
                part = self._kept.popleft()
                if len(part) > most:
                    self._kept.appendleft(part[most:])
                    part = part[:most]
                taken.append(part)
                most -= len(part)
                self._waiting -= len(part)
        return taken

    def close(self) -> None:
        """Ends the thread; the ring is as it was."""
        os.eventfd_write(self._end, 1)
        self._thread.join()
        os.close(self._end)
        os.close(self.fd)
