"""The map as a part of a role: a store that is read, and the server that answers from it."""

import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from engine.config import Config
from engine.graph import Graph
from engine.service.journal import stderr_is_journal
from engine.stored import open_store
from model.errors import TailraceError

if TYPE_CHECKING:
    from store.reading import Store
    from web.incident_answers import IncidentSource

log = logging.getLogger(__name__)


def map_of_this_machine(
    config: Config, graph: Graph, incidents: "IncidentSource | None"
) -> contextlib.AbstractAsyncContextManager[None]:
    """Serves the store that this role writes, and its incidents."""
    required = config.web.enabled == "on"
    return map_served(config, graph, lambda: open_store(config.store), incidents, required=required)


@contextlib.asynccontextmanager
async def map_served(
    config: Config,
    graph: Graph,
    opened: "Callable[[], Store]",
    incidents: "IncidentSource | None",
    *,
    required: bool,
) -> AsyncIterator[None]:
    """Serves while the block runs.

    :param graph: whose metrics have what the server counts.
    :param opened: the store to read; closed at the end.
    :param incidents: None: nobody keeps any here.
    :param required: else a map that cannot be served is a warning, and the role goes on without.
    :raises TailraceError: if it is required and cannot be.
    """
    from web.server import WebServer

    async with contextlib.AsyncExitStack() as stack:
        try:
            store = opened()
            stack.callback(store.close)
            server = await stack.enter_async_context(
                WebServer(config.web, store, incidents=incidents).running()
            )
        except TailraceError as error:
            if required:
                raise
            log.warning("the map is not served: %s", error)
        else:
            graph.asked = server.statistics
            _say(f"the map is at {server.url}")
        yield


def _say(text: str) -> None:
    """On the terminal; in the journal a line of no importance."""
    print(f"<6>{text}" if stderr_is_journal() else f"tailrace: {text}", file=sys.stderr)
