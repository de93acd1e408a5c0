"""The log on a real server: fencing, trimming, expiry and streams that went back."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from yarl import URL

from engine.log_record import Record
from engine.nats.bucket import Conflict
from engine.nats.lease import Lease
from engine.nats.settings import settings_of
from engine.transport.nats.backend import NatsBackend
from engine.transport.nats.offsets import Offsets
from engine.transport.nats.reader import NatsReader
from model.errors import UsageError
from model.subjects import TopicPartition
from tests.integration.test_roles import Gate
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

DELTAS = TopicPartition("deltas", 0)


def _log(server: NatsServer, query: str = "") -> NatsBackend:
    return NatsBackend(*settings_of([URL(server.url("log", query))]))


@pytest.fixture
async def log(nats_server: NatsServer) -> AsyncIterator[NatsBackend]:
    """A log with a topic of one partition."""
    log = _log(nats_server)
    await log.start()
    await log.create_topic("deltas", 1)
    yield log
    await log.stop()


async def _append(log: NatsBackend, *values: bytes) -> list[int]:
    return [await log.append(DELTAS, Record(None, value, (), 0.0)) for value in values]


class Reading:
    """A reader and what came out of it."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.position = 1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at when there are new records."""
        async with asyncio.timeout(10):
            while not condition():
                self.wake.clear()
                await self.wake.wait()

    async def values(self, reader: NatsReader, count: int) -> list[bytes | None]:
        """Wait for so many records and take them."""
        found: list[bytes | None] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                self.wake.clear()
                if not (records := reader.read(self.position, count - len(found))):
                    await self.wake.wait()
                for offset, record in records:
                    self.position = offset + 1
                    found.append(record.value)
        return found


async def test_who_acquired_last_may_commit(log: NatsBackend) -> None:
    """Commits of the owner before are refused and counted, and it cannot take the partition back."""
    await _append(log, *[b""] * 7)
    old, new = (Offsets(log.link, log._offsets, log.names, "flows", log.state) for _ in range(2))
    assert await old.acquire([DELTAS], "old", 1) == 1
    assert await old.commit({DELTAS: 5}, lambda: True)
    assert await new.acquire([DELTAS], "new", 2) == 2
    assert not await old.commit({DELTAS: 6}, lambda: True)
    assert await old.acquire([DELTAS], "old", 1) == 2
    assert await new.commit({DELTAS: 7}, lambda: True)
    assert await new.committed([DELTAS]) == {DELTAS: 7}
    assert (old.fenced, new.fenced) == (1, 0)


async def test_a_commit_never_goes_back_nor_beyond_the_lease(log: NatsBackend) -> None:
    """A lower offset changes nothing, and without the lease nothing is written."""
    await _append(log, *[b""] * 5)
    offsets = Offsets(log.link, log._offsets, log.names, "flows", log.state)
    await offsets.acquire([DELTAS], "me", 1)
    assert await offsets.commit({DELTAS: 5}, lambda: True)
    assert await offsets.commit({DELTAS: 3}, lambda: True)
    assert not await offsets.commit({DELTAS: 9}, lambda: False)
    assert await offsets.committed([DELTAS]) == {DELTAS: 5}


async def test_an_own_commit_without_an_answer_is_no_conflict(log: NatsBackend) -> None:
    """After a commit whose acknowledgement got lost, the next one goes through."""
    await _append(log, *[b""] * 5)
    offsets = Offsets(log.link, log._offsets, log.names, "flows", log.state)
    await offsets.acquire([DELTAS], "me", 1)
    before = dict(offsets._mine)
    assert await offsets.commit({DELTAS: 5}, lambda: True)
    offsets._mine.update(before)
    assert await offsets.commit({DELTAS: 6}, lambda: True)
    assert await offsets.committed([DELTAS]) == {DELTAS: 6}


async def test_a_bucket_refuses_a_revision_that_is_behind(log: NatsBackend) -> None:
    """Two who write the same revision: the second is told."""
    revision = await log._meta.update("key", b"1", 0)
    await log._meta.update("key", b"2", revision)
    with pytest.raises(Conflict):
        await log._meta.update("key", b"3", revision)
    await log._meta.put("keys.b", b"b")
    found = await log._meta.entries("keys.*")
    assert {key: entry.value for key, entry in found.items()} == {"keys.b": b"b"}
    await log._meta.drop("key")
    assert await log._meta.get("key") is None


async def test_only_what_all_groups_committed_is_trimmed(log: NatsBackend) -> None:
    """A record stays until the slowest group that reads its topic has committed it."""
    members = [await log.join(group, ["deltas"], lambda: None) for group in ("flows", "archive")]
    for member in members:
        assert (await member.take()).partitions == {DELTAS}
    await _append(log, b"1", b"2", b"3")
    room = asyncio.Event()

    async def note(_: object) -> None:
        room.set()

    await log.link.listen(log.names.room(), note)
    await members[0].commit({DELTAS: 4})
    assert await log.first_offset(DELTAS) == 1
    await members[1].commit({DELTAS: 2})
    async with asyncio.timeout(30):
        await room.wait()
    assert await log.first_offset(DELTAS) == 2
    for member in members:
        await member.leave()


async def test_a_stream_that_is_gone_is_made_again_and_read_from_its_beginning(log: NatsBackend) -> None:
    """Whoever reads makes it; what was unread is counted, and what was committed of it means nothing any more."""
    missed: list[tuple[str, int]] = []
    log.reads.on_missed = lambda reason, count: missed.append((reason, count))
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    await _append(log, b"1", b"2", b"3", b"4")
    assert await reading.values(reader, 3) == [b"1", b"2", b"3"]
    await reading.until(lambda: reader.end == 5)
    member = await log.join("flows", ["deltas"], lambda: None)
    await member.take()
    await member.commit({DELTAS: 4})
    await _remove(log, log.names.stream(DELTAS))
    async with asyncio.timeout(10):
        await member.changed()  # its offsets are those of a stream that is gone
    assert await member.committed([DELTAS]) == {DELTAS: 1}
    await member.take()
    await _append(log, b"new")
    reading.position = 1
    assert await reading.values(reader, 1) == [b"new"]
    assert (log.reads.rewound, log.reads.lost, missed) == (1, 1, [("stream_lost", 1)])
    assert member.lapses == 0
    await reader.close()
    await member.leave()


async def test_what_was_committed_of_a_stream_that_is_gone_removes_nothing(log: NatsBackend) -> None:
    """The offset committed last is beyond all records of the new stream, and then among them: none is trimmed."""
    member = await log.join("flows", ["deltas"], lambda: None)
    await member.take()
    await _append(log, *[b"old"] * 5)
    await member.commit({DELTAS: 6})
    await _remove(log, log.names.stream(DELTAS))
    await log.ensure_stream(DELTAS)
    await _append(log, *[b"new"] * 9)
    assert await member.committed([DELTAS]) == {DELTAS: 1}
    assert log._trimmer is not None
    await log._trimmer._trim(DELTAS)
    assert await log.first_offset(DELTAS) == 1
    await member.leave()


async def test_what_a_server_lost_is_stored_again(log: NatsBackend, nats_server: NatsServer) -> None:
    """It is killed and comes back without the last messages that it had acknowledged: each is there once."""
    await _append(log, b"1", b"2")
    nats_server.kill()
    nats_server.remember()
    nats_server.start()
    await _append(log, b"3", b"4")
    nats_server.go_back()
    async with asyncio.timeout(30):
        while log.sends.repeats < 6:  # noqa: ASYNC110  # two after the first return, four after the second
            await asyncio.sleep(0.05)
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    assert await reading.values(reader, 4) == [b"1", b"2", b"3", b"4"]
    assert await log.end_offset(DELTAS) == 5
    await reader.close()


async def test_a_stream_that_went_back_and_grew_again_is_read_from_its_beginning(
    nats_server: NatsServer,
) -> None:
    """While its reader is cut off: its offsets mean other records now, and those committed before mean nothing."""
    gate = Gate(nats_server.port)
    await gate.open()
    log, writer = NatsBackend(*settings_of([URL(f"nats://127.0.0.1:{gate.port}/log")])), _log(nats_server)
    for each in (log, writer):
        await each.start()
        await each.create_topic("deltas", 1)
    nats_server.kill()
    nats_server.remember()
    nats_server.start()
    member = await log.join("flows", ["deltas"], lambda: None)
    await member.take()
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    await _append(writer, b"1", b"2", b"3")
    assert await reading.values(reader, 3) == [b"1", b"2", b"3"]
    await member.commit({DELTAS: 4})
    await gate.close()
    nats_server.go_back()
    await _append(writer, b"4")
    while await writer.end_offset(DELTAS) < 5:  # noqa: ASYNC110  # the first three are stored again
        await asyncio.sleep(0.05)
    await gate.open()
    async with asyncio.timeout(30):
        await member.changed()
        await member.take()
    assert await member.committed([DELTAS]) == {}
    reading.position = 1
    assert set(await reading.values(reader, 4)) == {b"1", b"2", b"3", b"4"}
    for part in (reader.close, member.leave, log.stop, writer.stop, gate.close):
        await part()


async def test_a_sender_makes_a_stream_that_is_gone(log: NatsBackend) -> None:
    """The append that found it gone succeeds, also while somebody listens on the subject."""
    heard = asyncio.Event()

    async def note(_: object) -> None:
        heard.set()

    for listens in (False, True):
        if listens:
            await log.link.listen(f"{log.names.subject(DELTAS)}.>", note)
        await _remove(log, log.names.stream(DELTAS))
        async with asyncio.timeout(10):
            assert await _append(log, b"1") == [1]
    assert log.streams_replaced == 2


async def test_a_consumer_that_is_gone_is_made_again(log: NatsBackend) -> None:
    """A reader whose consumer somebody removed goes on where it was; nothing is missing, nothing comes twice."""
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    await _append(log, b"1")
    assert await reading.values(reader, 1) == [b"1"]
    await log.link.api(f"CONSUMER.DELETE.{log.names.stream(DELTAS)}.{reader._consumer}", {})
    await _append(log, b"2", b"3")
    assert await reading.values(reader, 2) == [b"2", b"3"]
    assert (log.reads.rewound, log.reads.lost) == (0, 0)
    await reader.close()


@pytest.mark.parametrize("bucket", ["meta", "offsets", "leases"])
async def test_a_bucket_that_is_gone_is_made_again(log: NatsBackend, bucket: str) -> None:
    """The group goes on: what it reads stays, or is dealt out again, and its commits are stored."""
    member = await log.join("flows", ["deltas"], lambda: None)
    generation = (await member.take()).generation
    await _append(log, b"1", b"2")
    names = {"meta": log.names.meta, "offsets": log.names.offsets, "leases": log.names.leases("flows")}
    await _remove(log, f"KV_{names[bucket]}")
    changes = asyncio.create_task(member.changed())
    async with asyncio.timeout(10):
        if bucket == "meta":  # nobody knows any more who reads what
            await changes
            assert int((await member.take()).generation) > int(generation)
        assert await member.commit({DELTAS: 3})
    assert await member.committed([DELTAS]) == {DELTAS: 3}
    assert changes.done() == (bucket == "meta")
    changes.cancel()
    await member.leave()


async def test_a_generation_is_later_than_all_that_were_though_nobody_knows_of_them(log: NatsBackend) -> None:
    """With the bucket of assignments lost while no member lived, commits of the past do not fence the new member."""
    first = await log.join("flows", ["deltas"], lambda: None)
    for _ in range(2):
        generation = (await first.take()).generation
        first.start_anew()
    await first.leave()
    await _remove(log, f"KV_{log.names.meta}")
    second = await log.join("flows", ["deltas"], lambda: None)
    async with asyncio.timeout(10):
        assert int((await second.take()).generation) > int(generation)
    await second.leave()


async def _remove(log: NatsBackend, stream: str) -> None:
    await log.link.api(f"STREAM.DELETE.{stream}", {})


async def test_records_that_expired_unread_are_counted(nats_server: NatsServer) -> None:
    """What max_age removes before it is read is missed, and the number is known."""
    log = _log(nats_server, "max_age_seconds=0.5")
    await log.start()
    await log.create_topic("deltas", 1)
    await _append(log, b"1", b"2")
    async with asyncio.timeout(10):
        while await log.first_offset(DELTAS) < 3:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.05)
    await _append(log, b"3")
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    assert await reading.values(reader, 1) == [b"3"]
    assert log.reads.expired == 2
    await reader.close()
    await log.stop()


async def test_a_reader_without_a_lease_reads_nothing(log: NatsBackend) -> None:
    """From the end of the lease on, records that are here already are not handed out."""
    member = await log.join("flows", ["deltas"], lambda: None)
    await member.take()
    reading = Reading()
    reader = await log.reader(DELTAS, 1, reading.wake.set)
    await _append(log, b"1", b"2")
    assert await reading.values(reader, 1) == [b"1"]
    member.lease = Lease(5.0)
    assert reader.read(2, 10) == ()
    await reader.close()
    await member.leave()


async def test_different_settings_for_one_log_are_refused(log: NatsBackend, nats_server: NatsServer) -> None:
    """An app that wants other limits or another lease than those who came first is told so."""
    member = await log.join("flows", ["deltas"], lambda: None)
    other = _log(nats_server, "max_bytes=1000&lease_seconds=9")
    await other.start()
    with pytest.raises(
        UsageError, match="log_deltas_0 exists with other limits: give every program the same"
    ):
        await other.create_topic("deltas", 1)
    with pytest.raises(UsageError, match="KV_log_leases_flows exists with other limits"):
        await other.join("flows", ["deltas"], lambda: None)
    await other.stop()
    await member.leave()
