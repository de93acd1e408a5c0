"""Opens a store for questions."""

from pathlib import Path

from store.config import QUERY_MEMORY, QUERY_THREADS
from store.reading import Store
from store.segments.reader import SegmentStore


def open_store(path: str, memory: int = QUERY_MEMORY, threads: int = QUERY_THREADS) -> Store:
    """The store in a folder; as long as there is none it is empty.

    :param memory: bytes that questions take at most; ``threads`` those of one question.
    :raises TailraceError: if what is there is no store, or one of a newer version.
    """
    return SegmentStore(Path(path), memory, threads)
