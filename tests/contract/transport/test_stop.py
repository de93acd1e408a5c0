"""How it ends: drained, quick, and without a complaint."""

import asyncio
import logging

import pytest
from faust.exceptions import ConsumerNotStarted, ProducerSendError
from faust.types import EventT

from engine.log_record import FIRST_OFFSET
from tests.contract.transport.site import Site, committed, consumer_of, send, transport_of


async def test_a_stop_is_quick_and_silent(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """An app that is done waits for no time-out when it stops, logs no warning and leaves no task behind."""
    app = site.app()
    consumer_of(app).stop_timeout = 3600
    topics = [site.topic(app, name, partitions=2) for name in ("deltas", "flows")]
    notes = [site.agent(app, topic) for topic in topics]
    errors: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    await app.start()
    await send(topics[0], b"1", b"2")
    await notes[0].until_done(2)
    async with asyncio.timeout(60):
        await app.stop()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert errors == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_idle_app_stops_as_well(site: Site) -> None:
    """An app that never got a message, or has no agent at all, stops at once."""
    reader, sender = site.app("reader"), site.app("sender")
    site.agent(reader, site.topic(reader, "deltas"))
    async with asyncio.timeout(60), site.running(reader, sender):
        pass
    assert reader.should_stop
    assert sender.should_stop


async def test_a_drain_waits_until_all_is_processed_and_committed(site: Site) -> None:
    """What was sent before the drain is done after it, through all the topics named, and committed."""
    app = site.app(commit_interval=60)
    deltas, flows = site.topic(app, "deltas", partitions=2), site.topic(app, "flows")

    async def forward(event: EventT[bytes]) -> None:
        await asyncio.sleep(0.001)
        await flows.send(value=event.value)

    site.agent(app, deltas, forward)
    notes = site.agent(app, flows, lambda _: asyncio.sleep(0.001))
    async with site.running(app):
        await send(deltas, *(b"%d" % i for i in range(100)))
        await transport_of(app).drain("deltas", "flows")
        assert len(notes.done) == 100
        assert await committed(app, "flows") == FIRST_OFFSET + 100


async def test_a_drain_covers_what_was_sent_without_waiting(site: Site) -> None:
    """Messages of ``send_soon`` are stored and processed when the drain is over."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic)
    async with site.running(app):
        for i in range(20):
            topic.send_soon(value=b"%d" % i)
        await transport_of(app).drain("deltas")
    assert notes.values == [b"%d" % i for i in range(20)]


async def test_a_drain_ends_when_the_app_stops(site: Site) -> None:
    """A drain that cannot succeed any more raises instead of waiting for ever."""
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic, lambda _: asyncio.Event().wait())
    await app.start()
    consumer_of(app).stop_timeout = 0.05
    await send(topic, b"1")
    await notes.until(lambda: len(notes.begun) == 1)
    draining = asyncio.create_task(transport_of(app).drain("deltas"))
    await asyncio.sleep(0)
    await app.stop()
    with pytest.raises(ConsumerNotStarted, match="before all was processed"):
        await draining


async def test_a_send_that_waits_for_room_fails_when_the_app_stops(site: Site) -> None:
    """A sender is told that its message was not stored."""
    site.max_messages = 1
    app = site.app()
    topic = site.topic(app, "deltas")
    notes = site.agent(app, topic, lambda _: asyncio.Event().wait())
    await app.start()
    consumer_of(app).stop_timeout = 0.05
    sending = asyncio.create_task(send(topic, b"1", b"2"))
    await notes.until(lambda: len(notes.begun) == 1)
    await app.stop()
    with pytest.raises(ProducerSendError, match="before deltas"):
        await sending
