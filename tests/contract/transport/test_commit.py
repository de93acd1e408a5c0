"""What is remembered: offsets are committed up to the oldest unfinished message, never past it."""

import asyncio

import pytest
from faust.types import TP, EventT

from engine.log_record import FIRST_OFFSET
from tests.contract.transport.site import Site, committed, consumer_of, send, transport_of


async def test_a_new_app_resumes_at_the_committed_offset(site: Site) -> None:
    """After a restart, processing goes on with the first message that was not processed."""
    first = site.app()
    topic = site.topic(first, "deltas", partitions=2)
    notes = site.agent(first, topic)
    async with site.running(first):
        await send(topic, b"1", b"2", partition=0)
        await send(topic, b"3", partition=1)
        await notes.until_done(3)
    second = site.app()
    topic = site.topic(second, "deltas", partitions=2)
    later = site.agent(second, topic)
    async with site.running(second):
        await send(topic, b"4", partition=0)
        await later.until_done(1)
        await transport_of(second).drain("deltas")
    assert sorted(notes.values) == [b"1", b"2", b"3"]
    assert later.values == [b"4"]
    assert later.offsets() == [FIRST_OFFSET + 2]


async def test_messages_sent_while_nobody_reads_are_kept(site: Site) -> None:
    """What is sent before the first reader exists reaches it."""
    sender = site.app("sender")
    async with site.running(sender):
        await send(site.topic(sender, "deltas"), b"1", b"2", partition=0)
    reader = site.app("reader")
    notes = site.agent(reader, site.topic(reader, "deltas"))
    async with site.running(reader):
        await notes.until_done(2)
    assert notes.values == [b"1", b"2"]


@pytest.mark.parametrize("stuck", [0, 2])
async def test_the_commit_stays_at_an_unfinished_message(site: Site, stuck: int) -> None:
    """With two workers, one stuck at a message, the offset committed is that message's, until it is done."""
    app = site.app()
    topic = site.topic(app, "deltas")
    release = asyncio.Event()

    async def work(event: EventT[bytes]) -> None:
        if event.value == b"%d" % stuck:
            await release.wait()

    notes = site.agent(app, topic, work, concurrency=2)
    async with site.running(app):
        await send(topic, *(b"%d" % i for i in range(10)))
        await notes.until_done(9)
        await consumer_of(app).commit_all()
        assert (await committed(app, "deltas") or FIRST_OFFSET) == FIRST_OFFSET + stuck
        release.set()
        await transport_of(app).drain("deltas")
        assert await committed(app, "deltas") == FIRST_OFFSET + 10


async def test_an_unfinished_message_is_delivered_again_after_a_stop(site: Site) -> None:
    """An agent cancelled in the middle of a message has not processed it: the next app gets it again."""
    first = site.app()
    topic = site.topic(first, "deltas")

    async def work(event: EventT[bytes]) -> None:
        if event.value == b"2":
            await asyncio.Event().wait()

    notes = site.agent(first, topic, work)
    await first.start()
    consumer_of(first).stop_timeout = 0.05
    await send(topic, b"1", b"2", b"3")
    await notes.until(lambda: len(notes.begun) == 2)
    await first.stop()
    second = site.app()
    later = site.agent(second, site.topic(second, "deltas"))
    async with site.running(second):
        await later.until_done(2)
    assert later.values == [b"2", b"3"]


async def test_a_group_of_its_own_gets_everything(site: Site) -> None:
    """Apps of different names each get all messages, and commit apart."""
    apps = [site.app("one"), site.app("two")]
    topics = [site.topic(app, "flows") for app in apps]
    notes = [site.agent(app, topic) for app, topic in zip(apps, topics, strict=True)]
    async with site.running(*apps):
        await send(topics[0], b"1", b"2")
        for note, app in zip(notes, apps, strict=True):
            await note.until_done(2)
            await transport_of(app).drain("flows")
            assert await committed(app, "flows") == FIRST_OFFSET + 2
    assert [note.values for note in notes] == [[b"1", b"2"]] * 2


async def test_two_workers_share_partitions_and_take_over(site: Site) -> None:
    """Two apps of one group read disjoint partitions; when one stops, the other goes on with all of them."""
    apps = [site.app(), site.app()]
    topics = [site.topic(app, "deltas", partitions=4) for app in apps]
    notes = [site.agent(app, topic) for app, topic in zip(apps, topics, strict=True)]
    await apps[0].start()
    async with site.running(apps[1]):
        for p in range(4):
            await send(topics[0], b"%d" % p, partition=p)
        for note in notes:
            await note.until_done(2)
        shares = [consumer_of(app).assignment() for app in apps]
        assert [len(share) for share in shares] == [2, 2]
        assert shares[0].isdisjoint(shares[1])
        await apps[0].stop()
        for p in range(4):
            await send(topics[1], b"%d" % (p + 4), partition=p)
        await notes[1].until_done(6)
        assert consumer_of(apps[1]).assignment() == {TP("deltas", p) for p in range(4)}
    assert sorted(notes[0].values + notes[1].values) == [b"%d" % i for i in range(8)]
