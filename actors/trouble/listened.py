"""What listeners dropped, until the second in which they did is joined."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from actors.items import Chunk
from actors.workloads.listening import Listening
from model.batch import Batch
from model.ledger import Ledger

#: Batches that wait for their second; of more the oldest are let go.
_MOST: Final = 4096


class Listened:
    """Rows of workloads made of those of listeners."""

    def __init__(self) -> None:
        self._listening = Listening(Ledger())  # the graph's accounts for the same rows
        self._waiting: deque[Batch] = deque(maxlen=_MOST)

    def take(self, listeners: Chunk) -> None:
        """Rows of listeners came."""
        self._waiting.extend(made.batch for made in self._listening.handle(listeners))

    def until(self, window: int) -> Iterator[Batch]:
        """What they dropped until the end of this second."""
        for _ in range(len(self._waiting)):
            batch = self._waiting.popleft()
            if batch.window <= window:
                yield batch
            else:
                self._waiting.append(batch)
