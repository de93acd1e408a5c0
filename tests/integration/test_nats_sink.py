"""The NATS sink on a real server: what subscribers get, and what becomes of rows when the server is away."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import nats
import numpy as np
import pytest

from engine.nats.sink import NatsConfig, NatsSink
from model.batch import Batch
from model.errors import SinkError
from model.kinds.flow import FLOW, SIDES
from model.ledger import Ledger
from model.subjects import FLOW_STREAM, flow
from sinks.limits import Limits, RetryLimits
from tailrace.testing.deltas import WINDOW
from tailrace.testing.flows import NODE, flows_of, make_flows
from tests.configured import make_fan_out
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server

__all__ = ["nats_server"]

#: Starts a server with a configuration of its own.
Configured = Callable[[str], NatsServer]


@pytest.fixture
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> Configured:
    """Servers that are removed at the end."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)

    def start(text: str) -> NatsServer:
        path = tmp_path / "nats.conf"
        path.write_text(text)
        server = NatsServer("-c", str(path))
        request.addfinalizer(server.remove)
        return server.start()

    return start


def of_one_node(rows: int, **settings: Any) -> Batch:
    """Flows that become one message, if they fit into it."""
    return make_flows(rows, ends=(NODE, NODE), **settings)


async def opened(server: NatsServer, query: str = "", **settings: Any) -> NatsSink:
    sink = NatsSink(NatsConfig(server.url(query=query), **settings))
    await sink.open((FLOW,))
    return sink


async def stored(server: NatsServer) -> list[dict[str, Any]]:
    """All messages of the stream."""
    client = await nats.connect(server.url())
    stream = client.jetstream()
    last = (await stream.stream_info(FLOW_STREAM)).state.last_seq
    messages = [await stream.get_msg(FLOW_STREAM, seq) for seq in range(1, last + 1)]
    await client.close()
    return [msgpack.unpackb(message.data) for message in messages if message.data]


async def test_a_subscriber_gets_every_row(nats_server: NatsServer) -> None:
    """The subject is the client's node; the message says where the flows were joined."""
    client = await nats.connect(nats_server.url())
    subscription = await client.subscribe(flow("db.7"))
    sink = await opened(nats_server)
    rows = [{"client.node.index": 2, "client.reported": 1, "client.seq": seq} for seq in range(5)]
    await sink.write(replace(flows_of(*rows), node="engine-0", seq=3))
    message = msgpack.unpackb((await subscription.next_msg(5)).data)
    rows = message.pop("rows")
    assert message == {
        "v": 1,
        "kind": "flow",
        "node": "engine-0",
        "boot": "boot-1",
        "seq": 3,
        "window": WINDOW,
        "part": 0,
        "parts": 1,
    }
    assert [(row["client.node"], row["client.seq"]) for row in rows] == [("db.7", seq) for seq in range(5)]
    await sink.close()
    await client.close()


async def test_the_stream_has_the_limits_that_were_set(nats_server: NatsServer) -> None:
    """It is made at the start, and changed when the settings did."""
    client = await nats.connect(nats_server.url())
    for max_age in (600, 60):
        await (await opened(nats_server, max_age=max_age, max_bytes=2 << 20)).close()
        config = (await client.jetstream().stream_info(FLOW_STREAM)).config
        assert (config.max_age, config.max_bytes, config.discard) == (max_age, 2 << 20, "old")
        assert config.subjects == ["tailrace.flow.>"]
    await client.close()


async def test_messages_stay_below_the_servers_limit(configured: Configured) -> None:
    """A server that takes little gets more messages, and no row is lost."""
    server = configured("max_payload: 4096")
    sink = await opened(server)
    await sink.write(of_one_node(300))
    messages = await stored(server)
    assert sum(len(message["rows"]) for message in messages) == 300
    assert len(messages) == messages[0]["parts"] > 30
    await sink.close()


async def test_rows_too_large_for_any_message_are_counted(configured: Configured) -> None:
    """The others of the batch are published."""
    server = configured("max_payload: 4096")
    sink = await opened(server)
    batch = make_flows(8)
    batch.tables["cgroups"][1] = "/" + "x" * 5000
    large = int(np.any([batch.columns[f"{side}.cgroup.index"] == 1 for side in SIDES], axis=0).sum())
    with pytest.raises(SinkError, match="raise max_payload") as caught:
        await sink.write(batch)
    assert (caught.value.reason, caught.value.lost_rows) == ("larger_than_message", large)
    assert sum(len(message["rows"]) for message in await stored(server)) == 8 - large
    await sink.close()


async def test_a_batch_offered_again_is_stored_once(nats_server: NatsServer) -> None:
    """A message whose acknowledgement went astray comes again under the same id."""
    sink = await opened(nats_server)
    for _ in range(2):
        await sink.write(of_one_node(700))
    assert sum(len(message["rows"]) for message in await stored(nats_server)) == 700
    await sink.close()


async def test_a_node_that_counts_from_0_again_loses_nothing(nats_server: NatsServer) -> None:
    """The same number in another second is another message."""
    sink = await opened(nats_server)
    for window in (WINDOW, WINDOW + 1):
        await sink.write(of_one_node(10, seq=0, window=window))
    assert [message["window"] for message in await stored(nats_server)] == [WINDOW, WINDOW + 1]
    await sink.close()


async def test_a_server_that_is_away_may_be_tried_again(nats_server: NatsServer) -> None:
    """While it is away every write says so; when it is back the next one succeeds."""
    sink = await opened(nats_server)
    await sink.write(of_one_node(10, seq=0))
    nats_server.kill()
    for _ in range(3):
        with pytest.raises(SinkError, match="start nats-server") as caught:
            await sink.write(of_one_node(10, seq=1))
        assert (caught.value.reason, caught.value.retryable) == ("bus_away", True)
    nats_server.start()
    await sink.write(of_one_node(10, seq=1))
    assert [message["seq"] for message in await stored(nats_server)] == [0, 1]
    await sink.close()


async def test_rows_survive_a_server_that_restarts(nats_server: NatsServer) -> None:
    """Behind the fan-out every row is stored exactly once although the server died in between."""
    ledger = Ledger()
    sink = await opened(nats_server)
    limits = Limits(retry=RetryLimits(100, 0.02, 0.1))
    async with make_fan_out({"nats": sink}, ledger, limits, stage="flows") as fanout:
        for seq in range(30):
            fanout.offer(of_one_node(100, seq=seq))
            if seq == 10:
                await fanout.drained()
                nats_server.kill()
                nats_server.start()
        await fanout.drained()
    stage = ledger.stages["sink.nats"]
    assert (stage.delivered, stage.dropped) == (3000, {})
    assert [message["seq"] for message in await stored(nats_server)] == list(range(30))


async def test_no_server_at_the_start(nats_server: NatsServer) -> None:
    """The sink does not open, and says what to do."""
    nats_server.kill()
    with pytest.raises(SinkError, match="is not reachable: start nats-server"):
        await opened(nats_server)


async def test_without_the_right_to_make_a_stream_listeners_still_get_flows(configured: Configured) -> None:
    """Flows are published for whoever listens now."""
    server = configured(
        """authorization { users: [
            {user: a, password: hunter2, permissions: {publish: "tailrace.flow.>", subscribe: "_INBOX.>"}}
            {user: b, password: b}] }"""
    )
    client = await nats.connect(server.url(), user="b", password="b")
    subscription = await client.subscribe("tailrace.flow.>")
    sink = await opened(server, "user=a&password=hunter2")
    await sink.write(of_one_node(5))
    assert len(msgpack.unpackb((await subscription.next_msg(5)).data)["rows"]) == 5
    await sink.close()
    await client.close()


async def test_without_the_right_to_publish_rows_are_lost_and_counted(configured: Configured) -> None:
    """The server's refusal is no silence: the error names the subject to allow."""
    server = configured(
        """authorization { users: [
            {user: a, password: hunter2, permissions: {publish: "$JS.API.>", subscribe: "_INBOX.>"}}] }"""
    )
    sink = await opened(server, "user=a&password=hunter2")
    with pytest.raises(SinkError, match=r"allow publishing to tailrace\.flow\.>") as caught:
        await sink.write(of_one_node(5))
    assert (caught.value.reason, caught.value.retryable, caught.value.lost_rows) == ("bus_refused", False, 5)
    await sink.close()


async def test_refused_credentials_stay_out_of_the_error(configured: Configured) -> None:
    """The error says what to check and holds no secret."""
    server = configured("authorization { user: a, password: right }")
    with pytest.raises(SinkError, match="refuses the credentials") as caught:
        await opened(server, "user=a&password=hunter2")
    assert caught.value.reason == "bus_refused"
    assert "hunter2" not in str(caught.value)
