"""Streams as they are declared, on a real server: made once, made again, and never against the user's will."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from actors.nat.announced import ANNOUNCED
from actors.nat.lives import OPEN
from actors.nat.table import NatTable
from engine.nats import streams
from engine.nats.address import connection_of, parse_url
from engine.nats.api import NO_RIGHT, Refused
from engine.nats.link import Link
from engine.nats.nat_entries import NatFeed, announcements
from engine.nats.sink import NatsConfig, NatsSink
from engine.nats.stream_publisher import WAITING_BYTES, StreamPublisher
from engine.nats.streams import OtherLimits, Stream, make
from model import subjects
from model.errors import SinkError
from model.kinds.flow import FLOW
from model.ledger import Stage
from model.subjects import LogNames, TopicPartition
from model.tasks import end
from model.transport import Transport
from tests.integration.test_nats_sink import of_one_node
from tests.nats_server import REASON_TO_SKIP, NatsServer, nats_server

__all__ = ["nats_server"]


def declared(url: str) -> list[Stream]:
    """One of each."""
    settings, names = parse_url(url)[0], LogNames("tailrace")
    return [
        streams.NODES,
        streams.NAT,
        streams.DEAD,
        *(streams.public_rows(subjects.public_rows(rows), 600, 1 << 20) for rows in ("flows", "calls")),
        streams.partition(names, TopicPartition("deltas", 0), settings),
        streams.meta(names, settings),
        streams.offsets(names, settings),
        streams.group_leases(names, "tailrace-engine", settings),
        streams.agent_leases(names, settings),
    ]


@pytest.fixture
async def link(nats_server: NatsServer) -> AsyncIterator[Link]:
    """A connection."""
    opened = Link(connection_of(nats_server.url()))
    await opened.open()
    yield opened
    await opened.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


async def test_every_stream_is_made_once(link: Link, nats_server: NatsServer) -> None:
    """The server takes each configuration, and takes the same again for the same stream."""
    for stream in declared(nats_server.url()):
        made = await make(link.api, stream)
        assert await make(link.api, stream) == made
        info = await link.api(f"STREAM.INFO.{stream.name}", {})
        config = info["config"]
        assert info["created"] == made
        assert config["subjects"] == list(stream.subjects)
        assert config["storage"] == stream.storage
        assert config["discard"] == stream.discard
        assert config["duplicate_window"] == 10**9 * min(120, stream.max_age_seconds or 120)


async def test_programs_that_make_a_stream_at_the_same_time_all_have_it(nats_server: NatsServer) -> None:
    """Agents and engines start together, and each makes what is not there yet."""
    links = [Link(connection_of(nats_server.url())) for _ in range(16)]
    for each in links:
        await each.open()
    for number in range(40):
        stream = replace(streams.NODES, name=f"made_{number}", subjects=(f"made.{number}.>",))
        made = await asyncio.gather(*(each.until_answered(partial(make, each.api, stream)) for each in links))
        assert len(set(made)) == 1
    for each in links:
        await each.close()


#: What the version before this file's made, as it asked for it.
FORMER: Final[dict[str, dict[str, Any]]] = {
    "tailrace_nodes": {"subjects": ["tailrace.node.>"], "storage": "memory", "max_msgs_per_subject": 1}
    | {"max_age": 86400 * 10**9, "discard": "old"},
    "tailrace_nat": {"subjects": ["tailrace.nat.>"], "storage": "memory", "max_age": 120 * 10**9}
    | {"max_bytes": 256 << 20, "discard": "old"},
    "tailrace_dead": {"subjects": ["tailrace.dead.>"], "storage": "file", "max_bytes": 64 << 20}
    | {"max_age": 7 * 86400 * 10**9, "discard": "old"},
    "tailrace_deltas_0": {"subjects": ["tailrace.log.deltas.0", "tailrace.log.deltas.0.>"], "storage": "file"}
    | {"retention": "limits", "discard": "new", "num_replicas": 1, "max_msgs": -1, "max_bytes": 256 << 20}
    | {"max_age": 3600 * 10**9, "duplicate_window": 120 * 10**9},
    "KV_tailrace_meta": {"subjects": ["$KV.tailrace_meta.>"], "storage": "file", "retention": "limits"}
    | {"num_replicas": 1, "max_msgs_per_subject": 1, "max_age": 0, "duplicate_window": 120 * 10**9}
    | {"discard": "new", "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True},
}


async def test_streams_of_the_version_before_are_taken_as_they_are(
    link: Link, nats_server: NatsServer
) -> None:
    """An upgrade on a server in use refuses nothing."""
    for name, body in FORMER.items():
        await link.api(f"STREAM.CREATE.{name}", {"name": name} | body)
    same = [stream for stream in declared(nats_server.url()) if stream.name in FORMER]
    assert len(same) == len(FORMER)
    for stream in same:
        await make(link.api, stream)


async def test_other_limits_are_changed_only_where_they_are_a_setting(link: Link) -> None:
    """A sink's stream gets the sink's limits; one that several programs share stays as it is, and they are told."""
    public = streams.public_rows(subjects.public_rows("calls"), 600, 1 << 20)
    await make(link.api, public)
    await make(link.api, replace(public, max_bytes=2 << 20))
    assert (await link.api(f"STREAM.INFO.{public.name}", {}))["config"]["max_bytes"] == 2 << 20
    await make(link.api, streams.DEAD)
    with pytest.raises(
        OtherLimits, match="tailrace_dead exists with other limits: give every program the same"
    ):
        await make(link.api, replace(streams.DEAD, max_bytes=1))
    assert (await link.api("STREAM.INFO.tailrace_dead", {}))["config"]["max_bytes"] == 64 << 20


@asynccontextmanager
async def running(publisher: StreamPublisher) -> AsyncIterator[None]:
    """Publishing."""
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        await end(task)


async def test_a_publisher_makes_its_stream_again(link: Link, nats_server: NatsServer) -> None:
    """After a restart that lost it, and after somebody removed it: the message that found it gone is stored."""
    lost: list[None] = []
    publisher = StreamPublisher(link, streams.NODES, lambda: lost.append(None))

    async def restart() -> None:
        nats_server.kill()
        nats_server.start()
        await eventually(lambda: link.reconnects == 1 and link.up.is_set())

    async def remove() -> None:
        await link.api("STREAM.DELETE.tailrace_nodes", {})

    async def nothing() -> None: ...

    async with running(publisher):
        for step in (nothing, restart, remove):
            await step()
            publisher.offer("tailrace.node.a", step.__name__.encode())
            async with asyncio.timeout(10):
                await publisher.drained()
            assert (await link.api("STREAM.INFO.tailrace_nodes", {}))["state"]["messages"] == 1
    assert (len(lost), publisher.dropped) == (2, 0)


async def test_what_a_publisher_is_given_while_the_server_is_away_is_stored_later(
    link: Link, nats_server: NatsServer
) -> None:
    """Each message once, also those for a stream that was never made; whoever gave it is told then."""
    publisher, stored = StreamPublisher(link, streams.DEAD), list[int]()
    nats_server.kill()
    await eventually(lambda: not link.up.is_set())
    async with running(publisher):
        for number in range(100):
            publisher.offer(subjects.dead("a"), b"%d" % number, done=partial(stored.append, number))
        assert not stored
        nats_server.start()
        async with asyncio.timeout(10):
            await publisher.drained()
    assert (await link.api("STREAM.INFO.tailrace_dead", {}))["state"]["messages"] == 100
    assert (stored, publisher.dropped) == (list(range(100)), 0)


async def test_past_its_bound_a_publisher_drops_the_oldest(link: Link) -> None:
    """Counted; whoever waits for one to be stored waits no more."""
    publisher, done, third = StreamPublisher(link, streams.DEAD), list[int](), bytes(WAITING_BYTES // 3)
    for number in range(5):
        publisher.offer(subjects.dead("a"), third, done=partial(done.append, number))
    assert (done, publisher.dropped) == ([0, 1], 2)


@pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP)
async def test_who_may_not_make_a_stream_publishes_for_those_who_listen(tmp_path: Path) -> None:
    """A refusal is an answer, not a silence of two seconds; the message goes out."""
    (tmp_path / "nats.conf").write_text(
        'authorization { users: [ {user: a, password: p, permissions: {publish: ["$JS.API.INFO", "tailrace.>"], '
        'subscribe: [">"]}} ] }'
    )
    server = NatsServer("-c", str(tmp_path / "nats.conf")).start()
    link = Link(connection_of(server.url(query="user=a&password=p")))
    heard = asyncio.Event()

    async def note(_: object) -> None:
        heard.set()

    try:
        await link.open()
        with pytest.raises(Refused, match=r"may not publish \$JS.API.STREAM.CREATE.tailrace_nodes") as caught:
            await make(link.api, streams.NODES)
        assert caught.value.code == NO_RIGHT
        await link.listen("tailrace.node.>", note)
        publisher = StreamPublisher(link, streams.NODES)
        async with running(publisher):
            publisher.offer("tailrace.node.a", b"1")
            await asyncio.wait_for(heard.wait(), 10)
    finally:
        await link.close()
        server.remove()


def entries(*ports: int) -> np.ndarray:
    """NAT entries that hold, told apart by a port."""
    said = np.zeros(len(ports), ANNOUNCED)
    for name, offset in (("called", 0), ("seen", 1000)):
        said[name]["transport"] = Transport.TCP
        said[name]["hop"]["source_port"] = np.array(ports) + offset
    said["end_ns"] = OPEN
    return said


async def test_nat_entries_reach_an_engine_after_the_server_restarted(
    link: Link, nats_server: NatsServer
) -> None:
    """Whoever finds the stream gone makes it again; what is announced then is heard."""
    table = NatTable(1024, Stage("entries"))
    publisher = StreamPublisher(link, streams.NAT)

    def announce(port: int) -> None:
        for message in announcements("a", "boot", 1, entries(port)):
            publisher.offer(subjects.rewrites("a"), message)

    async with NatFeed(connection_of(nats_server.url()), table).running(), running(publisher):
        announce(1)
        await eventually(lambda: len(table) == 1)
        nats_server.kill()
        nats_server.start()
        await eventually(lambda: link.up.is_set() and link.reconnects == 1)
        announce(2)
        await eventually(lambda: len(table) == 2)


async def test_a_sink_whose_stream_was_removed_makes_it_again(link: Link, nats_server: NatsServer) -> None:
    """The batch that found it gone is offered again, and stored."""
    sink = NatsSink(NatsConfig(nats_server.url()))
    await sink.open((FLOW,))
    await sink.write(of_one_node(5, seq=0))
    await link.api("STREAM.DELETE.tailrace_flows", {})
    with pytest.raises(SinkError) as caught:
        await sink.write(of_one_node(5, seq=1))
    assert caught.value.retryable
    await sink.write(of_one_node(5, seq=1))
    assert (await link.api("STREAM.INFO.tailrace_flows", {}))["state"]["messages"] == 1
    await sink.close()
