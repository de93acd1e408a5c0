"""The page with the real API behind it, over a store with rows of a made-up fleet."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.unit.store.queries.fleets import NOW, two_minutes
from tests.unit.store.queries.rows_store import RowsStore
from web.config import WebConfig
from web.incident_answers import IncidentSource
from web.server import WebServer


@contextlib.contextmanager
def served(
    store: RowsStore | None = None, now: float = NOW, incidents: IncidentSource | None = None
) -> Iterator[str]:
    """The address of a server in a thread of its own, until the end of the block.

    :param store: two minutes of a small fleet by default.
    :param incidents: asked in that thread.
    """
    answering = store or two_minutes()
    started = threading.Event()
    stop = asyncio.Event()
    address: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        config = WebConfig(listen="127.0.0.1:0", requests_per_second=1000)
        server = WebServer(config, answering, lambda: now, incidents)
        async with server.running():
            address.append(str(server.url).rstrip("/"))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(30), "the server did not start"
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
