"""Opens a store for questions."""

from pathlib import Path

from store.config import QUERY_MEMORY, QUERY_THREADS, StoreConfig
from store.reading import Store


def open_store(path: str, memory: int = QUERY_MEMORY, threads: int = QUERY_THREADS) -> Store:
    """The store in a folder; as long as there is none it is empty.

    :param memory: bytes that questions take at most; ``threads`` those of one question.
    :raises TailraceError: if what is there is no store, or one of a newer version.
    """
    from store.segments.reader import SegmentStore

    return SegmentStore(Path(path), memory, threads)


def open_server_store(config: StoreConfig) -> Store:
    """The store in the ClickHouse that ``url`` names; as long as nobody wrote to it it is empty.

    :raises TailraceError: if the server does not answer, refuses this user, or has tables of a newer version.
    """
    from store.clickhouse.address import server_of
    from store.clickhouse.link import Link
    from store.clickhouse.reader import ClickHouseStore

    server, database = server_of(config)
    return ClickHouseStore(Link.to(server), database)
