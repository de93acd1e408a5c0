"""The log in memory: its URL, its sharing and its statistics."""

import asyncio
from pathlib import Path

import faust
import pytest
from yarl import URL

from engine.log_record import Record
from engine.transport.embedded import embedded_app
from engine.transport.memory.log import Limits, MemoryLog
from engine.transport.memory.transport import MemoryTransport, limits_of
from model.errors import UsageError
from model.subjects import TopicPartition

DELTAS = TopicPartition("deltas", 0)


def _record(value: bytes) -> Record:
    return Record(b"key", value, (("name", b"value"),), 0.0)


def _transport(url: str) -> MemoryTransport:
    transport = embedded_app("app", url).transport
    assert isinstance(transport, MemoryTransport)
    return transport


def test_any_faust_app_finds_the_transport_by_its_scheme(tmp_path: Path) -> None:
    """``memory://`` as broker of a plain Faust app is this transport, through its entry point."""
    app = faust.App("plain", broker="memory://", datadir=str(tmp_path))
    assert type(app.transport) is MemoryTransport


def test_limits_come_from_the_url() -> None:
    """Each limit may be given; what is not given has its default."""
    assert limits_of(URL("memory://?max_bytes=5")) == Limits(max_messages=4096, max_bytes=5)
    assert limits_of(URL("memory://log?max_messages=7")) == Limits(max_messages=7, max_bytes=64 << 20)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("max_rows=1", "max_rows: use max_bytes or max_messages"),
        ("max_bytes=0", "positive"),
        ("max_bytes=1k", "1k"),
    ],
)
def test_a_wrong_url_is_refused(query: str, complaint: str) -> None:
    """An unknown key or a value that is no positive integer raises, and says what to write instead."""
    with pytest.raises(UsageError, match=complaint):
        limits_of(URL(f"memory://?{query}"))


def test_a_named_log_is_shared_until_it_is_forgotten() -> None:
    """Apps share a log by its name only, with the same limits, until it is forgotten."""
    first, second = _transport("memory://shared?max_bytes=9"), _transport("memory://shared")
    assert first.backend is second.backend
    with pytest.raises(UsageError, match="same limits"):
        _transport("memory://shared?max_bytes=8").backend.partitions("deltas")
    MemoryTransport.forget("Shared")
    assert _transport("memory://shared").backend is not first.backend
    MemoryTransport.forget("shared")
    assert _transport("memory://").backend is not _transport("memory://").backend


async def test_statistics_add_up() -> None:
    """Messages and bytes held, the highest fill and the waits are those of what happened."""
    transport = _transport("memory://?max_messages=4&max_bytes=100")
    log = transport.backend
    await log.create_topic("deltas", 1)
    member = await log.join("flows", ["deltas"], lambda: None)
    await member.take()
    for value in (b"1", b"22"):
        await log.append(DELTAS, _record(value))
    held = transport.statistics()
    assert (held.messages, held.bytes) == (2, 2 * len(b"keynamevalue") + 3)
    assert (held.max_messages, held.max_bytes, held.waits) == (4, 100, 0)
    assert held.highest_fill == 0.5
    waiting = asyncio.create_task(log.append(DELTAS, _record(bytes(70))))
    await asyncio.sleep(0)
    assert (transport.statistics().waits, transport.statistics().waiting) == (1, 1)
    await member.commit({DELTAS: 2})
    assert await waiting == 3
    after = transport.statistics()
    assert (after.messages, after.bytes, after.waits, after.waiting) == (2, 12 + 2 + 12 + 70, 1, 0)
    assert after.highest_fill == 0.96
    assert after.partitions[DELTAS].highest_messages == 2


async def test_only_what_all_groups_committed_is_trimmed() -> None:
    """A record stays until the slowest group that reads its topic has committed it."""
    log = MemoryLog(Limits())
    await log.create_topic("deltas", 1)
    members = [await log.join(group, ["deltas"], lambda: None) for group in ("flows", "archive")]
    for member in members:
        await member.take()
    for value in (b"1", b"2", b"3"):
        await log.append(DELTAS, _record(value))
    await members[0].commit({DELTAS: 4})
    assert await log.first_offset(DELTAS) == 1
    await members[1].commit({DELTAS: 2})
    assert await log.first_offset(DELTAS) == 2
    reader = await log.reader(DELTAS, 1, lambda: None)
    assert [(offset, record.value) for offset, record in reader.read(1, 9)] == [(2, b"2"), (3, b"3")]


async def test_a_member_without_the_partition_cannot_commit_it() -> None:
    """A commit of a partition that went to another member is refused and changes nothing."""
    log = MemoryLog(Limits())
    await log.create_topic("deltas", 1)
    old = await log.join("flows", ["deltas"], lambda: None)
    assert (await old.take()).partitions == {DELTAS}
    await old.leave()
    new = await log.join("flows", ["deltas"], lambda: None)
    assert (await new.take()).partitions == {DELTAS}
    assert not await old.commit({DELTAS: 5})
    assert await new.committed([DELTAS]) == {}
    assert await new.commit({DELTAS: 5})
    assert await new.committed([DELTAS]) == {DELTAS: 5}


async def test_a_rebalance_waits_until_every_member_gave_up() -> None:
    """A new member gets its share only when the old ones have let go of theirs."""
    log = MemoryLog(Limits())
    await log.create_topic("deltas", 2)
    old = await log.join("flows", ["deltas"], lambda: None)
    await old.take()
    new = await log.join("flows", ["deltas"], lambda: None)
    taking = asyncio.create_task(new.take())
    await old.changed()
    assert not taking.done()
    shares = await asyncio.gather(old.take(), taking)
    assert [share.partitions for share in shares] == [{DELTAS}, {TopicPartition("deltas", 1)}]
    assert shares[0].generation == shares[1].generation == 2
