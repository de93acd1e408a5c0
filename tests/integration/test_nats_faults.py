"""What agents and engines do when the server forgets, is replaced, or is there for two of one name."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from engine import graphs
from engine.actor import INBOX_ITEMS
from engine.config import Config
from engine.nats.address import connection_of
from engine.nats.heartbeats import StoredHeartbeat, last_heartbeats
from engine.nats.node_lease import NodeNameTaken
from model.errors import TailraceError
from model.subjects import DEAD_STREAM
from sinks.limits import Limits, QueueLimits
from tests.configured import configured
from tests.integration.test_roles import DEADLINE, QUERY, Adding, agent, engine
from tests.nats_server import NatsServer, nats_server
from tests.running_role import running
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

#: Seconds between looks at what nobody tells of.
LOOK: Final = 0.1


async def eventually(condition: Callable[[], bool], step: Callable[[], object] = lambda: None) -> None:
    """Wait until the condition holds; ``step`` comes before each look."""
    async with asyncio.timeout(DEADLINE):
        step()
        while not condition():
            await asyncio.sleep(LOOK)
            step()


async def test_an_engine_that_starts_first_shares_the_load(nats_server: NatsServer) -> None:
    """Without any agent ever there are 8 partitions, and a second engine gets its part of the rows."""
    url, source = nats_server.url(query="lease_seconds=1.5"), ScriptedSource()
    sinks = [Adding(), Adding()]
    async with running(engine(url, sinks[0])), running(engine(url, sinks[1])):
        client = await nats.connect(nats_server.address)
        streams = await client.jetstream().streams_info()
        await client.close()
        names = {stream.config.name for stream in streams}
        assert {f"tailrace_deltas_{partition}" for partition in range(8)} <= names
        async with running(agent(url, source)):
            await eventually(lambda: all(sink.bytes for sink in sinks), lambda: source.second(100))
            await eventually(lambda: sum(sink.bytes for sink in sinks) >= source.sent)
    assert sum(sink.bytes for sink in sinks) == source.sent


async def test_nodes_are_seen_after_the_server_restarted(nats_server: NatsServer) -> None:
    """What was in its memory is gone; the next heartbeat makes the stream again."""
    source, connection = ScriptedSource(node="db-7"), connection_of(nats_server.url())
    async with running(agent(nats_server.url(query=QUERY), source)):
        for restarts in range(2):
            if restarts:
                nats_server.kill()
                nats_server.start()
            async with asyncio.timeout(DEADLINE):
                nodes: list[StoredHeartbeat] = []
                while not nodes:
                    source.second(1)
                    await asyncio.sleep(LOOK)
                    with contextlib.suppress(TailraceError):
                        nodes = await last_heartbeats(connection, ())
            assert [one.heartbeat.node for one in nodes] == ["db-7"]


@pytest.mark.parametrize("stage", ["deltas", "flows"])
async def test_a_server_with_an_empty_store_ends_nobody(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture, stage: str
) -> None:
    """Agent and engine go on: all rows after the loss arrive, and the ledger says that streams were lost."""
    url, source, sink = nats_server.url(query=QUERY), ScriptedSource(), ScriptedSink()
    subject, joining = agent(url, source), engine(url, sink, stage)
    with caplog.at_level(logging.ERROR):
        async with running(joining), running(subject):
            for number in range(3):
                if number:
                    nats_server.replace()
                source.second(500)
                await eventually(lambda: rows_of(sink) >= source.sent)
    assert rows_of(sink) == source.sent == 1500
    deltas, outbox = joining.ledger.stages["deltas"], subject.ledger.stages["outbox"]
    assert deltas.noted["stream_lost"] >= 1
    assert outbox.noted["streams_replaced"] >= 1
    assert deltas.balanced
    assert outbox.balanced
    assert not [record for record in caplog.records if record.exc_info]


async def test_messages_that_wait_in_an_engine_are_counted_when_their_stream_is_lost(
    nats_server: NatsServer,
) -> None:
    """Of a lost stream each message was taken, or is counted: also those read that waited for a stuck sink."""
    url, source, sink = nats_server.url(query="partitions=1"), ScriptedSource(), ScriptedSink(slow=True)
    sinks = configured({"stuck": sink}, "flows", Limits(queue=QueueLimits(rows=10)))
    joining, subject = graphs.engine(Config(), url, sinks), agent(url, source)
    async with running(joining), running(subject):
        for _ in range(150):
            source.second(10)
        (fan_out,) = (place for place in joining.graph.actors if place.name == "fan_out")
        await eventually(lambda: fan_out.statistics.waiting == INBOX_ITEMS)
        await eventually(lambda: subject.ledger.stages["outbox"].delivered == source.sent)
        before = await stored_messages(nats_server)
        nats_server.replace()
        await eventually(lambda: joining.ledger.stages["deltas"].noted["stream_lost"] > 0)
        sink.gate.set()
        source.second(7)
        await eventually(lambda: bool(sink.taken) and len(sink.taken[-1]) == 7)
        stored = before + await stored_messages(nats_server)
    deltas = joining.ledger.stages["deltas"]
    assert deltas.received == stored
    assert INBOX_ITEMS < deltas.dropped["stream_lost"] < before
    assert deltas.balanced


async def stored_messages(server: NatsServer) -> int:
    """How many the partition ever took."""
    client = await nats.connect(server.address)
    state = (await client.jetstream().stream_info("tailrace_deltas_0")).state
    await client.close()
    return state.last_seq


def rows_of(sink: ScriptedSink) -> int:
    """How many it took."""
    return sum(map(len, sink.taken))


async def test_a_second_agent_of_a_name_ends_with_one_line(nats_server: NatsServer) -> None:
    """It says where the other one is, and publishes nothing; when that has ended, the name is free at once."""
    url, first, second, sink = nats_server.url(query=QUERY), ScriptedSource(), ScriptedSource(), Adding()
    async with running(engine(url, sink)):
        async with running(agent(url, first)):
            first.second(10)
            await sink.until(lambda: sink.bytes >= 10)
            second.second(1000)
            with pytest.raises(
                NodeNameTaken, match=r"node node-1: process \d+ on host .*: stop that one"
            ) as caught:
                await asyncio.wait_for(agent(url, second).run(), DEADLINE)
            assert caught.value.exit_code == 1
            first.second(10)
            await sink.until(lambda: sink.bytes >= 20)
        third = ScriptedSource(boot="boot-3")
        async with running(agent(url, third)):
            third.second(7)
            await sink.until(lambda: sink.bytes >= 27)
    assert sink.bytes == 27


async def test_an_agent_without_a_server_says_once_how_much_waits(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """One line while it is away, however often it is tried, and one when it is there."""
    nats_server.kill()
    attempts = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    nobody = await asyncio.start_server(refuse, "127.0.0.1", nats_server.port)
    source, sink = ScriptedSource(), Adding()
    source.second(50)
    with caplog.at_level(logging.WARNING, "engine.nats"):
        async with running(agent(nats_server.url(query=QUERY), source)):
            await eventually(lambda: attempts >= 6)
            nobody.close()
            nats_server.start()
            async with running(engine(nats_server.url(query=QUERY), sink)):
                await sink.until(lambda: sink.bytes >= 50)
    away, back = [record.getMessage() for record in caplog.records]
    assert "is not reachable: start nats-server" in away
    assert away.endswith("messages with 50 rows wait")
    assert back == f"NATS at {nats_server.address} is back"


async def test_dead_letters_are_kept_after_their_stream_was_removed(nats_server: NatsServer) -> None:
    """The engine makes the stream for the first one, and again for the first after it was gone."""
    client = await nats.connect(nats_server.address)
    stream = client.jetstream()
    async with running(engine(nats_server.url(query="partitions=1"), Adding())):
        for letter in (b"first", b"second"):
            await stream.publish("tailrace.log.deltas.0", letter)
            assert await first_message(stream, DEAD_STREAM) == letter
            await stream.delete_stream(DEAD_STREAM)
    await client.close()


async def first_message(stream: JetStreamContext, name: str) -> bytes | None:
    """The first message of a stream, as soon as there is one."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(NotFoundError):
                return (await stream.get_msg(name, 1)).data
            await asyncio.sleep(LOOK)
