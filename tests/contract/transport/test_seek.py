"""Where an app reads: positions can be asked for and moved."""

import asyncio

from faust.types import TP, EventT

from engine.log_record import FIRST_OFFSET
from tests.contract.transport.site import Site, committed, consumer_of, send, transport_of

DELTAS = TP("deltas", 0)


async def test_a_seek_back_delivers_again(site: Site) -> None:
    """After a seek to an offset that is still held, delivery goes on from there."""
    app = site.app()
    topic = site.topic(app, "deltas")
    release = asyncio.Event()

    async def work(event: EventT[bytes]) -> None:
        if event.value == b"held":
            await release.wait()

    notes = site.agent(app, topic, work, concurrency=2)
    async with site.running(app):
        await send(topic, b"held", b"2", b"3")
        await notes.until_done(2)
        await consumer_of(app).seek(DELTAS, FIRST_OFFSET + 1)
        await notes.until_done(4)
        release.set()
        await transport_of(app).drain("deltas")
    assert notes.values == [b"2", b"3", b"2", b"3", b"held"]


async def test_a_seek_forward_skips_and_does_not_hold_up_the_commit(site: Site) -> None:
    """Messages skipped by a seek are not delivered, and count as done."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    async with site.running(app):
        await consumer_of(app).seek(DELTAS, FIRST_OFFSET + 2)
        await send(topic, b"1", b"2", b"3")
        await notes.until_done(1)
        await transport_of(app).drain("deltas")
        assert await committed(app, "deltas") == FIRST_OFFSET + 3
    assert notes.values == [b"3"]


async def test_highwater_position_and_earliest_offset_tell_where_things_are(site: Site) -> None:
    """The highwater is the offset after the last record, the position the next to read."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    async with site.running(app):
        consumer = consumer_of(app)
        assert await consumer.highwaters(DELTAS) == {DELTAS: FIRST_OFFSET}
        assert await consumer.earliest_offsets(DELTAS) == {DELTAS: FIRST_OFFSET}
        await send(topic, b"1", b"2", b"3")
        await notes.until_done(3)
        await transport_of(app).drain("deltas")
        assert await consumer.highwaters(DELTAS) == {DELTAS: FIRST_OFFSET + 3}
        assert consumer.highwater(DELTAS) == FIRST_OFFSET + 3
        assert await consumer.position(DELTAS) == FIRST_OFFSET + 3
        assert transport_of(app).backlog() == {DELTAS: 0}
