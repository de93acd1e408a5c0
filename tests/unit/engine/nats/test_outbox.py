"""The outbox: while the bus is away messages are kept in order, and past the bound the ledger is exact."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.log_record import RecordTooLarge
from engine.nats.outbox import Outbox
from engine.nats.spool import Spool
from model.errors import UsageError
from model.ledger import Stage
from model.outgoing import Outgoing


class Bus:
    """A bus that can be away; stores the names of what it took."""

    def __init__(self) -> None:
        self.here = asyncio.Event()
        self.stored: list[str] = []

    async def publish(self, message: Outgoing) -> None:
        await self.here.wait()
        self.stored.append(message.name)


def message(number: int, size: int = 100) -> Outgoing:
    return Outgoing(0, f"m{number}", 10, bytes(size))


@contextlib.asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_messages_arrive_in_order_when_the_bus_comes_back() -> None:
    """An outage within the bound loses nothing."""
    bus, stage = Bus(), Stage("rows")
    outbox = Outbox(bus.publish, stage, max_bytes=10_000)
    async with running(outbox):
        for number in range(50):
            outbox.put(message(number))
        bus.here.set()
        await asyncio.wait_for(outbox.drained(), 5)
    assert bus.stored == [f"m{number}" for number in range(50)]
    assert (stage.received, stage.delivered, stage.queued) == (500, 500, 0)


async def test_past_the_bound_the_oldest_are_dropped_and_counted() -> None:
    """Ten messages fit; of a hundred the newest ten remain (and the one that was on its way)."""
    bus, stage = Bus(), Stage("rows")
    outbox = Outbox(bus.publish, stage, max_bytes=1_000)
    async with running(outbox):
        outbox.put(message(0))
        await asyncio.sleep(0)
        for number in range(1, 100):
            outbox.put(message(number))
        assert stage.balanced
        bus.here.set()
        await asyncio.wait_for(outbox.drained(), 5)
    assert bus.stored == ["m0", *(f"m{number}" for number in range(90, 100))]
    assert stage.dropped == {"outage": 890}
    assert stage.balanced


async def test_the_spool_takes_what_memory_cannot(tmp_path: Path) -> None:
    """With a spool a longer outage loses nothing, and order is kept across memory and disk."""
    bus, stage = Bus(), Stage("rows")
    outbox = Outbox(bus.publish, stage, 1_000, Spool(tmp_path / "spool", 100_000))
    async with running(outbox):
        for number in range(300):
            outbox.put(message(number))
        bus.here.set()
        await asyncio.wait_for(outbox.drained(), 5)
    assert bus.stored == [f"m{number}" for number in range(300)]
    assert stage.dropped.total() == 0
    assert stage.balanced


async def test_a_full_spool_drops_the_oldest(tmp_path: Path) -> None:
    """Memory and disk full: the newest that fit remain."""
    bus, stage = Bus(), Stage("rows")
    outbox = Outbox(bus.publish, stage, 1_000, Spool(tmp_path / "spool", 2_000))
    for number in range(100):
        outbox.put(message(number))
    assert stage.dropped == {"outage": 700}
    assert stage.queued == 300
    bus.here.set()
    async with running(outbox):
        await asyncio.wait_for(outbox.drained(), 5)
    assert bus.stored == [f"m{number}" for number in range(70, 100)]


async def test_what_is_left_at_the_end_is_there_for_the_next_start(tmp_path: Path) -> None:
    """An agent that stops during an outage leaves its messages to the next one, in order."""
    first = Outbox(Bus().publish, Stage("rows"), 1_000, Spool(tmp_path / "spool", 100_000))
    for number in range(30):
        first.put(message(number))
    first.close()
    bus, stage = Bus(), Stage("rows")
    bus.here.set()
    second = Outbox(bus.publish, stage, 1_000, Spool(tmp_path / "spool", 100_000))
    second.put(message(30))
    async with running(second):
        await asyncio.wait_for(second.drained(), 5)
    assert bus.stored == [f"m{number}" for number in range(31)]
    assert stage.balanced


async def test_without_a_spool_what_is_left_is_counted() -> None:
    """Stopping during an outage drops what could not be published, in the ledger."""
    stage = Stage("rows")
    outbox = Outbox(Bus().publish, stage, 10_000)
    outbox.put(message(1))
    outbox.close()
    assert stage.dropped == {"shutdown": 10}
    assert stage.balanced


async def test_a_message_that_never_fits_is_counted_and_left_out() -> None:
    """A server that takes less than we thought costs that message, not the agent."""
    stored = []

    async def publish(outgoing: Outgoing) -> None:
        if len(outgoing.data) > 500:
            raise RecordTooLarge("too large")
        stored.append(outgoing.name)

    stage = Stage("rows")
    outbox = Outbox(publish, stage, 10_000)
    for number, size in enumerate((100, 600, 100)):
        outbox.put(message(number, size))
    async with running(outbox):
        await asyncio.wait_for(outbox.drained(), 5)
    assert stored == ["m0", "m2"]
    assert stage.dropped == {"too_large": 10}
    assert stage.balanced


def test_a_file_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    """Somebody else's file is not overwritten."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary" * 100)
    with pytest.raises(UsageError, match="as a spool"):
        Spool(path, 1000)
    assert path.read_text().startswith("dear diary")


@given(st.lists(st.one_of(st.binary(max_size=50), st.none()), max_size=40))
def test_the_spool_is_a_queue(operations: list[bytes | None]) -> None:
    """Data is put in, None takes out: what comes out is what went in, in order."""
    with tempfile.TemporaryDirectory() as folder:
        spool, model = Spool(Path(folder) / "spool", 10**6), list[bytes]()
        for number, data in enumerate(operations):
            if data is not None:
                assert spool.append(Outgoing(1, str(number), 2, data))
                model.append(data)
            elif model:
                assert spool.pop().data == model.pop(0)
            assert (spool.messages, spool.bytes) == (len(model), sum(map(len, model)))
        spool.close()
