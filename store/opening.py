"""Opens a store for questions."""

from pathlib import Path

from store.reading import Store
from store.segments.reader import SegmentStore


def open_store(path: str) -> Store:
    """The store in a folder; as long as there is none it is empty.

    :raises TailraceError: if what is there is no store, or one of a newer version.
    """
    return SegmentStore(Path(path))
