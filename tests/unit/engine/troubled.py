"""The branch of a graph that looks for trouble, and seconds in which a version of a service refuses."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from actors.items import Chunk, Window
from alerts.config import AlertRuleConfig, AlertsConfig, AlertTargetConfig
from alerts.journal import JOURNAL, read
from engine.actor import ActorPlace
from engine.config import Config, TroubleConfig
from engine.graph import Graph
from engine.role import Role
from engine.runner import AsyncioRunner
from engine.trouble import watch_trouble
from model.actor import Actor
from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.kinds.workload import OTHER, WORKLOAD, Workload
from model.ledger import Ledger
from tests.eventually import eventually
from tests.http_server import HttpServer

BEGIN = 1_800_000_000
TABLE = [
    OTHER,
    Workload("web", "Deployment", "shop", "a", "1"),
    Workload("app", "Deployment", "shop", "b", "1"),
    Workload("checkout", "Deployment", "shop", "a", "v1"),
    Workload("checkout", "Deployment", "shop", "b", "v1"),
    Workload("checkout", "Deployment", "shop", "a", "v2"),
    Workload("checkout", "Deployment", "shop", "b", "v2"),
    Workload("search", "Deployment", "shop", "b", "v2"),
]
CLIENTS, SERVERS = (1, 2), (3, 4, 5, 6, 7)
HEALTHY, FAULT = 600, 120
OPENED = ["open", "shop/checkout", "connect_failed"]
#: Another service has a version of that name, and is well.
CAUSE = {"server.workload": "shop/checkout", "server.version": "v2"}
ONLY = "Only server workload shop/checkout and server version v2"


class Same(Actor):
    """Stands where those who sum flows up stand."""

    def handle(self, item: Any) -> Any:
        """As it is."""
        return (item,)


def window(second: int, *, refuses: bool = False, silent: bool = False) -> Window:
    """A second in which both clients connect to all servers; version 2 of checkout refuses nine of ten."""
    pairs = [] if silent else [(client, server) for client in CLIENTS for server in SERVERS]
    columns = WORKLOAD.empty(len(pairs))
    for row, (client, server) in enumerate(pairs):
        failed = 9 if refuses and server in (5, 6) else 0
        said = {
            "client.workload.index": client,
            "server.workload.index": server,
            "server.port": 8080,
            "connections.opened": 10 - failed,
            "connections.failed": failed,
            "bytes": 1000,
        }
        for name, value in said.items():
            columns[name][row] = value
    batch = Batch(WORKLOAD, "n1", "boot", second, BEGIN + second, columns, {"workloads": TABLE})
    return Window(BEGIN + second, (batch,))


def lost(dropped: int) -> Chunk:
    """A ledger of the node, so many of whose 1,000 events were lost."""
    stages = {"sockets": {"received": 1000, "dropped": {"ring_full": dropped}}}
    return Chunk(Batch(LEDGER, "n1", "boot", 0, 0, {}, head={"stages": stages}))


class Branch(NamedTuple):
    """What runs.

    :param rows: where windows go in.
    :param done: waits until all that went in is done with.
    :param reload: with these rules in place of those before.
    """

    rows: ActorPlace
    done: Callable[[], Awaitable[None]]
    reload: Callable[..., Awaitable[None]]


@asynccontextmanager
async def running(folder: Path, url: str, *rules: AlertRuleConfig, where: str = "") -> AsyncIterator[Branch]:
    """The branch of the graph, with a webhook that is told."""
    target = AlertTargetConfig("hook", "webhook", {"url": url}, where)
    alerts = AlertsConfig([target], rules=list(rules))
    config = Config(trouble=TroubleConfig("on", str(folder)), alerts=alerts)
    graph = Graph(Ledger())
    rows = graph.actor("rows", Same())
    watch_trouble(graph, config, rows, rows)
    role, ready = Role(graph, AsyncioRunner()), asyncio.Event()
    task = asyncio.create_task(role.run(ready))
    await ready.wait()

    async def done() -> None:
        for place in graph.in_order():
            await place.idle()

    async def reload(*rules: AlertRuleConfig) -> None:
        other = msgspec.structs.replace(config, alerts=AlertsConfig([target], rules=list(rules)))
        for prepare in graph.reloads:
            await prepare(other)()

    try:
        yield Branch(rows, done, reload)
        await done()
    finally:
        role.stop()
        await task


async def told(server: HttpServer, count: int) -> list[dict[str, Any]]:
    """Alerts that came, once there are so many."""
    await eventually(lambda: len(server.posts) >= count)
    return alerts(server)


def alerts(server: HttpServer) -> list[dict[str, Any]]:
    """Those that came so far."""
    return [json.loads(post.body)["alert"] for post in server.posts]


def main_output(folder: Path, *options: str) -> str:
    """What ``tailrace incidents`` prints."""
    return said_by_command(folder, "incidents", *options)


def said_by_command(folder: Path, *words: str) -> str:
    """What a command prints."""
    environment = {**os.environ, "TAILRACE_TROUBLE_PATH": str(folder)}
    command = [sys.executable, "-m", "tailrace", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def kept(folder: Path) -> list[dict[str, Any]]:
    return [value for key, value in read(folder / JOURNAL).items() if key.startswith("incident/")]
