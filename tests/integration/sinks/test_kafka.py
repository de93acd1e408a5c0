"""The sink kafka with the mock cluster of librdkafka, which speaks the protocol over TCP."""

import json
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from model.batch import Batch
from model.errors import SinkError
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.ledger import Ledger
from model.message import decode
from model.transport import Transport
from sinks.kafka.sink import KafkaConfig, KafkaSink
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits
from tailrace.testing import make_batch, make_flows, make_workloads
from tailrace.testing.packets import make_drops, make_listeners, make_queries
from tests.configured import make_fan_out
from tests.eventually import eventually
from tests.kafka_cluster import KafkaCluster
from tests.ports import free_port

QUICK = Limits(QueueLimits(rows=100_000), RetryLimits(0, 0.02, 0.1), BatchLimits(5000, 0.02))


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """One of its own for each test."""
    cluster = KafkaCluster()
    yield cluster
    cluster.stop()


async def produced(cluster: KafkaCluster, *batches: Batch, **settings: Any) -> None:
    """All batches, flushed once."""
    sink = KafkaSink(KafkaConfig(cluster.servers, **settings))
    await sink.open([batch.kind for batch in batches])
    for batch in batches:
        await sink.write(batch)
    await sink.flush()
    await sink.close()


async def test_a_message_is_a_line_under_the_key_of_its_connection(cluster: KafkaCluster) -> None:
    """Rows of one connection are in one partition, in order."""
    seconds = [make_flows(300, seq=number, window=1_700_000_000 + number) for number in range(3)]
    await produced(cluster, *seconds)
    messages = await cluster.read("tailrace.flows")
    assert {message.topic for message in messages} == {"tailrace.flows"}
    rows = [json.loads(message.value) for message in messages]
    assert [message.key.decode() for message in messages] == [row["connection.id"] for row in rows]
    expected = [row for batch in seconds for row in batch.rows()]
    order = sorted(rows, key=lambda row: row["seq"])
    assert sorted(map(json.dumps, order)) == sorted(map(json.dumps, expected))
    by_key = defaultdict(list)
    for message, row in zip(messages, rows, strict=True):
        by_key[message.key].append((message.partition, row["seq"]))
    assert all(len({partition for partition, _ in each}) == 1 for each in by_key.values())
    assert all([seq for _, seq in each] == sorted(seq for _, seq in each) for each in by_key.values())


@pytest.mark.parametrize("make", [make_queries, make_drops, make_listeners, make_flows])
async def test_what_is_read_back_is_what_the_rows_say(
    cluster: KafkaCluster, make: Callable[..., Batch]
) -> None:
    """Queries, drops, listeners, and flows of UDP: every field of every line, whatever the order."""
    columns = {"network.transport": Transport.UDP} if make is make_flows else {}
    batch = make(200, columns=columns)
    await produced(cluster, batch)
    messages = await cluster.read(f"tailrace.{batch.kind.plural}")
    lines = sorted(json.dumps(json.loads(message.value)) for message in messages)
    assert lines == sorted(json.dumps(row) for row in batch.rows())
    assert make is make_listeners or any('"network.transport": "udp"' in line for line in lines)


async def test_keys_of_pairs_and_sockets_do_not_depend_on_tables(cluster: KafkaCluster) -> None:
    """Names of workloads, in place of their places in a batch; a socket with its node."""
    await produced(cluster, make_workloads(20), make_batch(DELTA, 5))
    (message, *_) = await cluster.read("tailrace.workloads")
    row = json.loads(message.value)
    key = message.key.decode()
    assert row["client.workload.name"] in key
    assert key.endswith(f"-{row['server.port']}")
    (message, *_) = await cluster.read("tailrace.deltas")
    assert message.key.startswith(b"node-a-")


async def test_columns_are_the_messages_of_the_bus(cluster: KafkaCluster) -> None:
    """A message holds a batch, and is read like one of NATS."""
    batch = make_flows(4000)
    await produced(cluster, batch, format="columns", topic="t-", compression="gzip")
    messages = await cluster.read("t-flows")
    read = [decode(message.value) for message in messages]
    assert max(len(message.value) for message in messages) < 1_000_000
    found = sorted(json.dumps(row) for each in read for row in each.take(slice(None)).rows())
    assert len(found) == 4000


async def test_a_cluster_that_stands_still_costs_nothing(cluster: KafkaCluster) -> None:
    """Rows wait and are produced when it goes on; those that were taken are not sent again."""
    ledger = Ledger()
    sink = KafkaSink(KafkaConfig(cluster.servers, timeout=60))
    stage = ledger.stage("sink.kafka", "rows")
    async with make_fan_out({"kafka": sink}, ledger, QUICK, stage="flows") as fan_out:
        await fan_out.put(make_flows(1000))
        await fan_out.drained()
        cluster.signal(signal.SIGSTOP)
        for number in range(1, 11):
            await fan_out.put(make_flows(1000, seq=number))
        await eventually(lambda: fan_out.statistics()["kafka"].busy_seconds > 0.5)
        cluster.signal(signal.SIGCONT)
        await fan_out.drained()
    assert (stage.delivered, stage.dropped) == (11_000, {})
    messages = await cluster.read("tailrace.flows")
    assert len(messages) == 11_000
    assert len({message.value for message in messages}) == 11_000


async def test_what_a_full_queue_drops_is_in_the_ledger(cluster: KafkaCluster) -> None:
    """A cluster stands still for longer than the queue has room for: what is lost is counted, nothing comes twice."""
    ledger = Ledger()
    sink = KafkaSink(KafkaConfig(cluster.servers, topic="bound.", timeout=60))
    stage = ledger.stage("sink.kafka", "rows")
    limits = Limits(QueueLimits(rows=2000), RetryLimits(0, 0.02, 0.1), BatchLimits(500, 0.02))
    async with make_fan_out({"kafka": sink}, ledger, limits, stage="flows") as fan_out:
        await fan_out.put(make_flows(100))
        await fan_out.drained()
        cluster.signal(signal.SIGSTOP)
        for number in range(1, 41):
            fan_out.offer(make_flows(100, seed=number, seq=number))
            assert stage.balanced
        await eventually(lambda: fan_out.statistics()["kafka"].busy_seconds > 0.5)
        cluster.signal(signal.SIGCONT)
        await fan_out.drained()
    lost = stage.dropped["queue_full"]
    assert (stage.dropped, stage.delivered) == ({"queue_full": lost}, 4100 - lost)
    assert 4000 - 2000 - 1000 <= lost <= 4000 - 2000
    messages = await cluster.read("bound.flows")
    assert len({message.value for message in messages}) == len(messages) == stage.delivered


async def test_no_cluster_is_one_line() -> None:
    """What is wrong, and what to do; a later attempt makes sense."""
    sink = KafkaSink(KafkaConfig(f"127.0.0.1:{free_port()}", timeout=1))
    with pytest.raises(SinkError, match=r"Kafka at 127\.0\.0\.1:\d+ does not answer .*: start it") as caught:
        await sink.open([FLOW, WORKLOAD])
    assert caught.value.retryable
    await sink.close()
