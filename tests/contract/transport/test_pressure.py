"""What happens at the limit: whoever sends waits, and nothing is lost."""

import asyncio

import pytest
from faust.types import TP, EventT

from engine.log_record import RecordTooLarge
from engine.transport.embedded import EmbeddedApp
from tests.contract.transport.site import Site, Work, consumer_of, send, transport_of


async def _stored(app: EmbeddedApp) -> int:
    """How many messages of the deltas are stored."""
    tp, consumer = TP("deltas", 0), consumer_of(app)
    return (await consumer.highwaters(tp))[tp] - (await consumer.earliest_offsets(tp))[tp]


async def _held(site: Site, values: list[bytes], limit: int) -> tuple[int, list[bytes]]:
    """How many of the values are stored while the agent is stuck at the first; then, what is processed."""
    app = site.app()
    topic = site.topic(app, "deltas")
    release = asyncio.Event()

    async def work(event: EventT[bytes]) -> None:
        await release.wait()

    notes = site.agent(app, topic, work)
    async with site.running(app):
        sending = asyncio.create_task(send(topic, *values))
        await notes.until(lambda: len(notes.begun) == 1)
        async with asyncio.timeout(60):
            while await _stored(app) < limit:  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.005)
        _, waiting = await asyncio.wait([sending], timeout=0.2)  # whether more come
        held = await _stored(app)
        assert waiting, "the sender should wait for room"
        release.set()
        async with asyncio.timeout(60):
            await sending
            await transport_of(app).drain("deltas")
    return held, notes.values


async def test_no_more_messages_than_the_limit_are_held(site: Site) -> None:
    """A sender waits when the partition holds as many messages as it may, and goes on once they are done."""
    site.max_messages = 5
    values = [b"%d" % i for i in range(50)]
    assert await _held(site, values, 5) == (5, values)


async def test_no_more_bytes_than_the_limit_are_held(site: Site) -> None:
    """A sender waits when the partition holds as many bytes as it may, and goes on once they are done."""
    site.max_bytes = 10_000
    values = [b"%d" % i * 3000 for i in range(9)]
    assert await _held(site, values, 3) == (3, values)


async def test_a_message_that_never_fits_is_refused(site: Site) -> None:
    """A message larger than a partition may hold raises at its sender, and the next message goes through."""
    site.max_bytes = 1000
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    async with site.running(app):
        with pytest.raises(RecordTooLarge, match="2000 bytes"):
            await send(topic, bytes(2000))
        await send(topic, b"small")
        await notes.until_done(1)
    assert notes.values == [b"small"]


@pytest.mark.parametrize("max_messages", [1, 10])
async def test_a_chain_of_full_partitions_does_not_lock_up(site: Site, max_messages: int) -> None:
    """Agents that feed each other through full partitions all go on, with one message of each in flight."""
    site.max_messages = max_messages
    app = site.app(in_flight=1)
    topics = [site.topic(app, name) for name in ("deltas", "pairs", "flows")]

    def forward(to: int) -> Work:
        async def work(event: EventT[bytes]) -> None:
            await topics[to].send(value=event.value)
            await topics[to].send(value=event.value)

        return work

    site.agent(app, topics[0], forward(1))
    site.agent(app, topics[1], forward(2))
    notes = site.agent(app, topics[2])
    async with site.running(app), asyncio.timeout(60):
        await send(topics[0], *(b"%d" % i for i in range(25)))
        await transport_of(app).drain("deltas", "pairs", "flows")
    assert notes.values == [b"%d" % (i // 4) for i in range(100)]


async def test_a_cancelled_send_stores_nothing(site: Site) -> None:
    """A send that is given up while it waits leaves no trace, and those behind it keep their turn."""
    site.max_messages = 1
    app = site.app()
    topic = site.topic(app, "deltas")
    release = asyncio.Event()

    async def work(event: EventT[bytes]) -> None:
        await release.wait()

    notes = site.agent(app, topic, work)
    async with site.running(app):
        await send(topic, b"1")
        await notes.until(lambda: len(notes.begun) == 1)
        given_up, kept = (asyncio.create_task(send(topic, value)) for value in (b"2", b"3"))
        await asyncio.wait([given_up, kept], timeout=0.02)
        given_up.cancel()
        await asyncio.wait([given_up])
        release.set()
        await notes.until_done(2)
        await kept
    assert given_up.cancelled()
    assert notes.values == [b"1", b"3"]
