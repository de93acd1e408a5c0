"""A Kafka broker for tests: librdkafka's own mock cluster, in a process of its own, and what can be read of it."""

import asyncio
import subprocess
import sys
from typing import Any, NamedTuple

import aiokafka

_CLUSTER = """
import sys
from confluent_kafka import Producer
cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
(broker,) = cluster.list_topics(timeout=60).brokers.values()
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


class Consumed(NamedTuple):
    """A message."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class KafkaCluster:
    """One broker; it ends with ``stop``."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _CLUSTER]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.servers = self._process.stdout.readline().decode().strip()

    def signal(self, number: int) -> None:
        """Send a signal to it: a broker that stands still."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    async def read(self, *topics: str) -> list[Consumed]:
        """All messages of topics, in the order of each partition.

        It begins at the earliest by its settings: a seek after ``assign`` may be undone by the search for the
        latest that ``assign`` began.
        """
        consumer: Any = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.servers, group_id=None, auto_offset_reset="earliest"
        )
        async with consumer:
            parts: list[aiokafka.TopicPartition] = []
            async with asyncio.timeout(60):
                while {part.topic for part in parts} != set(topics):
                    await consumer._client.set_topics(topics)  # which makes those that are not there
                    await consumer._client.force_metadata_update()
                    known = {topic: consumer.partitions_for_topic(topic) or () for topic in topics}
                    parts = [
                        aiokafka.TopicPartition(topic, each) for topic in topics for each in known[topic]
                    ]
            consumer.assign(parts)
            return await _read(consumer, parts)


async def _read(consumer: Any, parts: list[Any]) -> list[Consumed]:
    ends = await consumer.end_offsets(parts)
    found: list[Consumed] = []
    async with asyncio.timeout(60):
        while sum([await consumer.position(part) < ends[part] for part in parts]):
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                found += [Consumed(each.topic, each.partition, each.key, each.value) for each in messages]
    return found
