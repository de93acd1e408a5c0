"""Rows per second of processor time that the sinks webhook and kafka send, servers apart; JSON is most of it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figure import Reading
from benchmarks.filter_rate import flows
from benchmarks.sink_rate import delivered
from model.batch import Batch
from model.kinds.flow import FLOW
from model.sink import Sink
from sinks.kafka.sink import KafkaSink
from sinks.webhook import WebhookSink

ROWS = 20_000
REPEATS = 2

_WEB = """
import asyncio
from aiohttp import web

async def take(request):
    await request.read()
    return web.Response()

async def main():
    application = web.Application(client_max_size=1 << 30)
    application.router.add_post("/", take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_KAFKA = """
import sys
from confluent_kafka import Producer
cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
(broker,) = cluster.list_topics(timeout=60).brokers.values()
print(broker.port, flush=True)
sys.stdin.read()
"""


def beside(server: str, sink: type[Sink], address: str, batch: Batch) -> float:
    """Rows per second into a server that is a process of its own.

    :param address: of the sink, with its port.
    """
    command = [sys.executable, "-c", server]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return delivered(sink(sink.Config(address.format(port=port))), batch, REPEATS)  # type: ignore[call-arg]
        finally:
            process.kill()


def measure() -> Iterator[Reading]:
    """Of brief flows."""
    batch = replace(flows().take(slice(0, ROWS)), kind=replace(FLOW, only=FLOW.brief))
    for name, server, sink, address in (
        ("webhook, ndjson", _WEB, WebhookSink, "http://127.0.0.1:{port}/"),
        ("kafka, json", _KAFKA, KafkaSink, "127.0.0.1:{port}"),
    ):
        rate = beside(server, sink, address, batch)
        yield Reading(rate, "rows/s", better="more", note=f"{name}: brief flows")
