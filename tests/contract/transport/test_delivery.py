"""What arrives: every message, once, in order, as it was sent."""

import asyncio

from faust.types import EventT

from engine.log_record import FIRST_OFFSET
from tests.contract.transport.site import Site, send, transport_of


async def test_offsets_are_dense_from_the_first(site: Site) -> None:
    """The first record of each partition has the first offset, and each next one the next."""
    app = site.app()
    topic = site.topic(app, "deltas", partitions=2)
    notes = site.agent(app, topic)
    async with site.running(app):
        stored = [await send(topic, *[b"x"] * 5, partition=p) for p in (0, 1)]
        await notes.until_done(10)
    expected = list(range(FIRST_OFFSET, FIRST_OFFSET + 5))
    assert [[one.offset for one in partition] for partition in stored] == [expected, expected]
    assert notes.offsets(0) == notes.offsets(1) == expected


async def test_every_message_is_processed_once_and_in_order(site: Site) -> None:
    """A quiet run delivers all messages of a partition exactly once, in the order they were sent."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    values = [b"%d" % i for i in range(2000)]
    async with site.running(app):
        await send(topic, *values)
        await notes.until_done(2000)
        await transport_of(app).drain("deltas")
    assert notes.values == values


async def test_concurrent_sends_keep_their_order_at_the_limit(site: Site) -> None:
    """Sends begun in an order are stored in that order, also when they wait for room.

    This is the producer's word: ``topic.send`` of Faust may change the order of sends that run at once.
    """
    site.max_messages = 3
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    values = [b"%d" % i for i in range(100)]
    async with site.running(app):
        await asyncio.gather(*(app.producer.send("deltas", None, value, 0, None, None) for value in values))
        await notes.until_done(100)
    assert notes.values == values


async def test_partitions_topics_and_agents_do_not_mix(site: Site) -> None:
    """Each agent gets its own topic only, whole, and each partition in its order."""
    app = site.app()
    topics = [site.topic(app, name, partitions=3) for name in ("deltas", "nat")]
    notes = [site.agent(app, topic) for topic in topics]
    async with site.running(app):
        for i in range(30):
            for topic in topics:
                await send(topic, f"{topic.get_topic_name()} {i}".encode(), partition=i % 3)
        for note in notes:
            await note.until_done(30)
    for topic, note in zip(topics, notes, strict=True):
        name = topic.get_topic_name()
        for p in range(3):
            got = [event.value for event in note.done if event.message.partition == p]
            assert got == [f"{name} {i}".encode() for i in range(p, 30, 3)]


async def test_two_agents_on_one_topic_both_get_it(site: Site) -> None:
    """Every agent of a topic gets every message of it."""
    app = site.app()
    topic = site.topic(app, "flows")
    notes = [site.agent(app, topic) for _ in range(2)]
    async with site.running(app):
        await send(topic, b"1", b"2", b"3")
        for note in notes:
            await note.until_done(3)
    assert [note.values for note in notes] == [[b"1", b"2", b"3"]] * 2


async def test_an_agent_feeds_the_next(site: Site) -> None:
    """What an agent sends to another topic reaches the agent of that topic."""
    app = site.app()
    deltas, flows = site.topic(app, "deltas"), site.topic(app, "flows")

    async def forward(event: EventT[bytes]) -> None:
        await flows.send(key=b"k", value=b"flow of " + event.value)

    site.agent(app, deltas, forward)
    notes = site.agent(app, flows)
    async with site.running(app):
        await send(deltas, b"1", b"2")
        await notes.until_done(2)
    assert notes.values == [b"flow of 1", b"flow of 2"]


async def test_keys_headers_timestamps_and_missing_values_round_trip(site: Site) -> None:
    """Key, value, headers and timestamp arrive as they were sent, and so does that there is none."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    async with site.running(app):
        await topic.send(
            key=b"\x00k\xff", value=b"", headers={"node": b"\x01", "boot": b""}, timestamp=1700000000.25
        )
        await topic.send(key=None, value=b"v")
        await topic.send(key=b"gone", value=None)
        await notes.until_done(3)
    first, second, third = notes.done
    assert (first.key, first.value, dict(first.headers)) == (
        b"\x00k\xff",
        b"",
        {"node": b"\x01", "boot": b""},
    )
    assert first.message.timestamp == 1700000000.25
    assert (second.key, second.value, dict(second.headers)) == (None, b"v", {})
    assert (third.key, third.value) == (b"gone", None)


async def test_a_key_stays_on_its_partition(site: Site) -> None:
    """All messages of a key land on one partition, also from another app, and keys spread over partitions."""
    apps = [site.app("one"), site.app("two")]
    places: dict[bytes, set[int]] = {}
    async with site.running(*apps):
        for app in apps * 2:
            topic = site.topic(app, "deltas", partitions=4)
            await topic.declare()
            for i in range(40):
                stored = await (await topic.send(key=b"connection %d" % i, value=b""))
                places.setdefault(b"connection %d" % i, set()).add(stored.partition)
    assert {len(partitions) for partitions in places.values()} == {1}
    assert set.union(*places.values()) == {0, 1, 2, 3}


async def test_a_large_message_arrives_whole(site: Site) -> None:
    """A message of 900 KB is carried as any other."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    value = bytes(range(256)) * 3600
    async with site.running(app):
        await send(topic, value)
        await notes.until_done(1)
    assert notes.values == [value]
