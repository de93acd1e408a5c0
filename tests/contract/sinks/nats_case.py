"""The NATS sink as the contract suite wants it: what a subscriber sees stands in a file when the sink is closed."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.commands.observe.filter import FlowFilter
from engine.nats.address import connection_of
from engine.nats.connection import connect
from engine.nats.row_reader import RowRequest, show_rows
from engine.nats.sink import NatsConfig, NatsSink
from engine.nats.stream_reader import StreamReader
from model.public import PublicRow
from model.sink import Sink
from tests.contract.sinks.full_server import full_server
from tests.nats_server import REASON_TO_SKIP, NatsServer


class _Written(NatsSink):
    """Writes at its end what ``tailrace observe`` reads from the server."""

    def __init__(self, url: str, path: Path) -> None:
        super().__init__(NatsConfig(url))
        self._url, self._path = url, path

    async def close(self) -> None:
        await super().close()
        rows: list[PublicRow] = []
        public = self._public
        if public and await self._published(public.stream):
            request = RowRequest(public, FlowFilter().matcher(), 1_000_000)
            await show_rows(connection_of(self._url), request, rows.extend, lambda _: None)
        self._path.write_text("".join(json.dumps(flow.row, ensure_ascii=True) + "\n" for flow in rows))

    async def _published(self, stream: str) -> bool:
        client = await connect(connection_of(self._url))
        try:
            return await StreamReader(client, stream).bounds() is not None
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


def read_nats(path: Path) -> list[dict[str, Any]]:
    """The rows in the file."""
    return list(map(json.loads, path.read_text().splitlines()))
