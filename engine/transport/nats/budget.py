"""Bytes on their way to one client, shared by its readers: the server hangs up on who has too many."""

from collections import deque

from engine.log_record import Wake

#: Seconds that a request for messages waits at the server, alone and when others queue for their turn.
LONG, SHORT = 20.0, 0.5


class Budget:
    """Grants requests for messages, so that those granted never ask for more than ``total`` bytes together.

    :param least: bytes of the smallest request: one message as large as the server takes.
    """

    def __init__(self, total: int, least: int) -> None:
        self.total = max(total, least)
        self.least = least
        self.granted = 0
        self.readers = 0
        self._queue: deque[Wake] = deque()

    @property
    def share(self) -> int:
        """Bytes that each reader may ask for."""
        return max(self.least, self.total // max(1, self.readers))

    @property
    def request_seconds(self) -> float:
        """Seconds a request may wait for its messages: less when readers have to take turns."""
        return LONG if self.readers * self.least <= self.total else SHORT

    def grant(self, wake: Wake) -> int:
        """Bytes that may be asked for now; if it is 0, ``wake`` is called when to try again."""
        share = self.share
        if self.granted + share > self.total:
            if wake not in self._queue:
                self._queue.append(wake)
            return 0
        self.granted += share
        return share

    def give_back(self, granted: int) -> None:
        """The request is over."""
        self.granted -= granted
        if granted and self._queue:
            self._queue.popleft()()

    def forget(self, wake: Wake) -> None:
        """The reader is gone."""
        if wake in self._queue:
            self._queue.remove(wake)
