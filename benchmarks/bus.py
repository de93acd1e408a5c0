"""A nats-server of a figure's own: JetStream on a free port, with a store that ends with it."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from yarl import URL

from benchmarks.children import find, running
from benchmarks.web import free_port
from engine.log_record import Record
from engine.nats.log import NatsLog
from engine.nats.settings import settings_of
from model.subjects import DELTAS, TopicPartition


@contextlib.contextmanager
def nats() -> Iterator[str]:
    """Its URL, ``nats://127.0.0.1:PORT``, while the block runs.

    :raises TailraceError: if nats-server is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-", ignore_cleanup_errors=True) as folder:
        log, port = Path(folder, "log"), free_port()
        log.touch()
        command = [find("nats-server", "nats-server"), "-a", "127.0.0.1", "-p", str(port)]
        command += ["-js", "-sd", f"{folder}/store", "-l", str(log)]
        with running(command, ready=lambda _: b"Server is ready" in log.read_bytes()):
            yield f"nats://127.0.0.1:{port}"


def fill(url: str, messages: Sequence[bytes]) -> None:
    """Stores messages in the partitions of the deltas, as many as the URL says, each in turn."""
    count = settings_of([URL(url)])[0].partitions
    asyncio.run(_feed(url, [[(number % count, message) for number, message in enumerate(messages)]], 0))


def feed(url: str, seconds: Iterable[Sequence[tuple[int, bytes]]], gap: float) -> None:
    """Stores messages of the deltas, each in its partition: those of one second after those of the other.

    :param gap: from the beginning of one to that of the next, if that is long enough.
    """
    asyncio.run(_feed(url, seconds, gap))


async def _feed(url: str, seconds: Iterable[Sequence[tuple[int, bytes]]], gap: float) -> None:
    log = NatsLog(*settings_of([URL(url)]))
    await log.start()
    try:
        count = await log.create_topic(DELTAS, log.settings.partitions)
        for messages in seconds:
            pause = asyncio.create_task(asyncio.sleep(gap))
            parts = [[message for place, message in messages if place == each] for each in range(count)]
            await asyncio.gather(
                *(_append(log, TopicPartition(DELTAS, each), part) for each, part in enumerate(parts))
            )
            await pause
    finally:
        await log.stop()


async def _append(log: NatsLog, partition: TopicPartition, messages: Sequence[bytes]) -> None:
    for message in messages:
        await log.append(partition, Record(b"node", message, (), time.time()))
