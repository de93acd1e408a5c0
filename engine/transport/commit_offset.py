"""The offset that a partition may commit: all before it is done, without a hole."""

from collections import OrderedDict
from collections.abc import Callable


class CommitOffset:
    """Follows which delivered offsets are not yet acknowledged; the oldest of them is the offset to commit.

    Offsets that were never delivered (trimmed from the log, or skipped by a seek) hold nothing up. Before
    ``start``, acknowledgements are ignored: they belong to an assignment that is gone.

    :param notify: called after each acknowledgement.
    """

    def __init__(self, notify: Callable[[], None] = lambda: None) -> None:
        self._notify = notify
        # In order of delivery, which is the order of offsets. No dict: finding its first key slows down with
        # every key that was removed before it.
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._start = 0
        self._next = 0

    def start(self, offset: int) -> None:
        """Begin anew: everything before ``offset`` is done, nothing is in flight."""
        self._unfinished.clear()
        self._start = self._next = offset

    def deliver(self, offset: int) -> None:
        """The message goes to its agents now. Offsets delivered before (a seek back) change nothing."""
        if offset >= self._next:
            self._unfinished[offset] = None
            self._next = offset + 1

    def add(self, offset: int) -> None:
        """The message is done. Called by the streams of Faust, which take this object for a set."""
        self._unfinished.pop(offset, None)
        self._notify()

    def __contains__(self, offset: object) -> bool:
        """Always false: the streams of Faust then report every acknowledgement; a second does no harm."""
        return False

    @property
    def offset(self) -> int:
        """All before it is done, it itself is not."""
        return next(iter(self._unfinished), self._next)

    @property
    def committable(self) -> int | None:
        """``offset``, or None if it has not moved since ``start``."""
        offset = self.offset
        return offset if offset > self._start else None

    @property
    def in_flight(self) -> int:
        """Messages delivered and not yet done."""
        return len(self._unfinished)
