"""The NATS sink as the contract suite wants it: what a subscriber sees stands in a file when the sink is closed."""

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine import subjects
from engine.flows import Flow
from engine.nats_address import connection_of
from engine.observe import Wish, observe
from engine.observe_filter import FlowFilter
from engine.sink import Sink
from engine.stream_reader import StreamReader
from engine.transport.nats_connection import connect
from sinks.nats import NatsConfig, NatsSink
from tests.contract.sinks.full_server import full_server
from tests.nats_server import REASON_TO_SKIP, NatsServer


class _Written(NatsSink):
    """Writes at its end what ``tailrace observe`` reads from the server."""

    def __init__(self, url: str, path: Path) -> None:
        super().__init__(NatsConfig(url))
        self._url, self._path = url, path

    async def close(self) -> None:
        await super().close()
        flows: list[Flow] = []
        if await self._published():
            await observe(
                connection_of(self._url), Wish(FlowFilter(), 1_000_000), flows.extend, lambda _: None
            )
        self._path.write_text("".join(json.dumps(flow.row, ensure_ascii=True) + "\n" for flow in flows))

    async def _published(self) -> bool:
        client = await connect(connection_of(self._url))
        try:
            return await StreamReader(client, subjects.FLOW_STREAM).bounds() is not None
        finally:
            await client.close()


def make_nats(path: Path, stack: ExitStack) -> Sink:
    """A sink whose server is its own; the server has no room if the path has none."""
    if path == Path("/dev/full"):
        return NatsSink(NatsConfig(stack.enter_context(full_server())))
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    server = NatsServer().start()
    stack.callback(server.remove)
    return _Written(server.url(), path)


def read_nats(path: Path) -> Counter[str]:
    """The totals of the flows in the file."""
    totals = Counter[str]()
    for row in map(json.loads, path.read_text().splitlines()):
        totals["rows"] += 1
        for life in ("opened", "closed", "failed"):
            totals[life] += row.get(f"connection.{life}", False)
    return totals
