"""Worker processes on a server, what is sent to them, and what came out."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from yarl import URL

from engine.log_record import FIRST_OFFSET, Record
from engine.nats.settings import settings_of
from engine.transport.nats.backend import NatsBackend
from model.subjects import TopicPartition
from tests.integration.nats_worker import PARTITIONS

#: Whether the long form of the fault tests runs.
SOAK = os.environ.get("SOAK") == "1"


class Worker:
    """A process that works, and its last statistics."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.statistics: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._follow = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, broker: str, seconds_per_record: float = 0.0) -> Self:
        """Start a process."""
        command = [sys.executable, "-m", "tests.integration.nats_worker", broker, str(seconds_per_record)]
        return cls(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE))

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.statistics = json.loads(line)
            self._news.set()

    async def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 20) -> None:
        """Wait until the statistics fulfil the condition."""
        async with asyncio.timeout(seconds):
            while not self.statistics or not condition(self.statistics):
                self._news.clear()
                await self._news.wait()

    async def until_assigned(self, partitions: int) -> None:
        """Wait until it reads so many partitions."""
        await self.until(lambda statistics: statistics["assigned"] == partitions)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._follow


@dataclass(frozen=True, slots=True)
class Result:
    """A record that came out: its value, and where it came from as the worker says."""

    value: bytes
    origin: dict[str, Any]


@dataclass
class Results:
    """All that came out so far."""

    log: NatsBackend
    found: list[Result] = field(default_factory=list)
    _readers: list[Any] = field(default_factory=list)
    _positions: list[int] = field(default_factory=lambda: [FIRST_OFFSET] * PARTITIONS)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """Begin to read."""
        for partition in range(PARTITIONS):
            self._readers.append(
                await self.log.reader(TopicPartition("result", partition), FIRST_OFFSET, self._wake.set)
            )

    async def close(self) -> None:
        """Read no more."""
        for reader in self._readers:
            await reader.close()

    async def until(self, condition: Callable[[], bool], seconds: float = 40) -> None:
        """Wait until the condition holds; it is looked at after all that comes out."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._wake.clear()
                self._collect()
                if not condition():
                    await self._wake.wait()

    def _collect(self) -> None:
        for partition, reader in enumerate(self._readers):
            while records := reader.read(self._positions[partition], 1000):
                for offset, record in records:
                    self._positions[partition] = offset + 1
                    self.found.append(Result(record.value, json.loads(dict(record.headers)["origin"])))

    @property
    def values(self) -> set[bytes]:
        """The values that came out at least once."""
        return {result.value for result in self.found}

    def repetitions(self) -> int:
        """How many results are of a record that had one before, told by its offset."""
        origins = Counter((result.origin["partition"], result.origin["offset"]) for result in self.found)
        return sum(origins.values()) - len(origins)

    @property
    def worst_delay(self) -> float:
        """The longest time, in seconds, from sending a record to the first work on it."""
        first: dict[bytes, float] = {}
        for result in self.found:
            first[result.value] = min(result.origin["delay"], first.get(result.value, 1e9))
        return max(first.values())


class Site:
    """A log with a source and a result, and workers between them."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self.log = NatsBackend(*settings_of([URL(broker)]))
        self.results = Results(self.log)
        self.sent: list[bytes] = []
        self._workers: list[Worker] = []

    async def worker(self, seconds_per_record: float = 0.0) -> Worker:
        """A new worker."""
        worker = await Worker.start(self.broker, seconds_per_record)
        self._workers.append(worker)
        return worker

    async def send(self, count: int, pause: float = 0.0) -> None:
        """Send so many records, each other than all before, to all partitions in turn."""
        for _ in range(count):
            number = len(self.sent)
            value = b"%d" % number
            self.sent.append(value)
            await self.log.append(
                TopicPartition("source", number % PARTITIONS), Record(None, value, (), time.time())
            )
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            await worker.kill()

    async def until_all_came_out(self) -> None:
        """Wait until everything sent came out at least once."""
        await self.results.until(lambda: self.results.values >= set(self.sent))


@asynccontextmanager
async def running(broker: str) -> AsyncIterator[Site]:
    """A site, and nothing of it left at the end."""
    site = Site(broker)
    await site.log.start()
    for topic in ("source", "result"):
        await site.log.create_topic(topic, PARTITIONS)
    await site.results.open()
    try:
        yield site
    finally:
        await site.close()
        await site.results.close()
        await site.log.stop()
