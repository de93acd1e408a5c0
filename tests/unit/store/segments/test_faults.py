"""A full disk, a clock that steps, files that are no store: counted and said, and nothing is harmed."""

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.batch import Batch
from model.errors import SinkError, TailraceError
from model.kinds import kinds
from store.config import StoreConfig
from store.reading import Gap, Window
from store.segments.limits import Limits
from store.segments.log import logs
from store.segments.manifest import NAME, read
from store.segments.reader import SegmentStore
from store.segments.writer import Writer
from store.sink import StoreSink
from tests.eventually import eventually
from tests.full_disk import small_disk
from tests.unit.store.segments.made import BEGIN, second

ALWAYS = Window(0, 1 << 40)


def row(bytes_: int = 1) -> list[dict[str, int]]:
    return [{"client": 1, "server": 2, "port": 443, "bytes": bytes_, "rtt": 1000}]


def bytes_in(folder: Path, window: Window = ALWAYS) -> int:
    store = SegmentStore(folder)
    try:
        return int(store.edges(window).measures["bytes"].sum())
    finally:
        store.close()


def fill(path: Path) -> None:
    """Take all room that there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 2 << 20) as folder:
        yield folder


def test_a_full_disk_loses_what_comes_and_nothing_else(disk: Path) -> None:
    """It is counted, and a gap; when there is room again writing and sealing go on."""

    async def run() -> None:
        sink = StoreSink(StoreConfig(str(disk / "store")))
        await sink.open([*kinds()])

        async def keep(batch: Batch) -> None:
            await sink.write(batch)
            await sink.flush()

        for at in range(5):
            await keep(second(BEGIN + at, row(), at))
        filling = disk / "filling"
        fill(filling)
        many = [{"client": 1, "server": 2, "port": port, "bytes": 1000} for port in range(1, 2000)]
        for at in (5, 6):
            with pytest.raises(SinkError) as caught:
                await keep(second(BEGIN + at, many, at))
            assert (caught.value.reason, caught.value.lost_rows) == ("disk_full", 1999)
        assert bytes_in(disk / "store") == 5
        filling.unlink()
        for at in range(7, 10):
            await keep(second(BEGIN + at, row(), at))
        await sink.close()

    asyncio.run(run())
    assert bytes_in(disk / "store") == 8
    store = SegmentStore(disk / "store")
    (lost,) = [gap for gap in store.gaps(ALWAYS) if gap.reason == "lost"]
    store.close()
    assert lost == Gap("", lost.from_s, lost.to_s, "lost", 2 * 1999, "store disk_full")
    assert lost.from_s <= BEGIN + 6 < lost.to_s


def test_a_log_that_cannot_be_sealed_waits(tmp_path: Path) -> None:
    """Its rows are answered from it; the next start seals it."""
    writer = Writer(tmp_path)
    writer.take(second(BEGIN, row(), 0))
    writer.sync()
    (tmp_path / "1s").write_bytes(b"")  # where there has to be a folder
    writer.rotate()
    asyncio.run(eventually(lambda: writer.counts.failures))
    writer.close()
    assert bytes_in(tmp_path) == 1
    (tmp_path / "1s").unlink()
    writer = Writer(tmp_path)
    writer.drained()
    assert read(tmp_path).of("rows", 1)
    assert bytes_in(tmp_path) == 1
    writer.close()


def test_a_frame_that_is_not_whole_is_cut_off(tmp_path: Path) -> None:
    """What follows it is as if it had not been; a bit that fell over as well."""
    for damage in (b"\x00\x01", b"\xff" * 40):
        folder = tmp_path / str(len(damage))
        writer = Writer(folder)
        for at in range(3):
            writer.take(second(BEGIN + at, row(), at))
            writer.sync()
        writer.close()
        ((_, path),) = logs(folder, 0)
        size = path.stat().st_size
        with path.open("ab") as file:
            file.write(damage)
        assert bytes_in(folder) == 3
        writer = Writer(folder)
        assert not path.exists() or path.stat().st_size == size
        writer.take(second(BEGIN + 3, row(), 3))
        writer.sync()
        writer.drained()
        assert bytes_in(folder) == 4
        writer.close()


def test_a_clock_that_steps_ahead_and_back_makes_nothing_be_forgotten(tmp_path: Path) -> None:
    """A year ahead for three minutes: what was there before stays, also by the second."""
    year = 365 * 86_400
    writer = Writer(tmp_path, Limits({1: 3600, 10: 86_400, 60: 30 * 86_400}))
    times = [*range(0, 240, 20), *range(year, year + 180, 20), *range(240, 400, 20)]
    for seq, at in enumerate(times):
        writer.take(second(BEGIN + at, row(), seq))
        writer.sync()
    writer.rotate()
    writer.drained()
    assert bytes_in(tmp_path) == len(times)
    store = SegmentStore(tmp_path)
    answer = store.edges(Window(BEGIN + 15, BEGIN + 333))
    assert answer.window == Window(BEGIN + 15, BEGIN + 333)
    assert int(answer.measures["bytes"][0]) == sum(15 <= at < 333 for at in times)
    assert store.bounds().newest_s == BEGIN + 380, "the last second that came"
    assert store.bounds().complete_s == BEGIN + 381
    store.close()
    writer.close()


def test_the_oldest_rows_make_room(tmp_path: Path) -> None:
    """Of all steps what was written first; it is counted, and what stays answers as before."""
    writer = Writer(tmp_path, Limits(max_bytes=120_000))
    for seq in range(60):
        writer.take(second(BEGIN + 20 * seq, row(), seq))
        writer.sync()
    writer.drained()
    counts, manifest = writer.counts, read(tmp_path)
    writer.close()
    assert counts.forgotten_rows
    assert manifest.bytes < 200_000
    oldest = SegmentStore(tmp_path).bounds().oldest_s
    assert BEGIN < oldest < BEGIN + 1200
    assert bytes_in(tmp_path) == (BEGIN + 1200 - oldest) // 20


def test_two_writers_are_refused(tmp_path: Path) -> None:
    """With what to do."""
    writer = Writer(tmp_path)
    with pytest.raises(TailraceError, match=r"another process writes to the store .*own folder"):
        Writer(tmp_path)
    writer.close()
    Writer(tmp_path).close()


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    """One line says what to do, and no file is touched."""
    writer = Writer(tmp_path)
    writer.close()
    (tmp_path / NAME).write_bytes(b'{"version":3}')
    for opening in (Writer, SegmentStore):
        with pytest.raises(TailraceError, match="has version 3, this program reads 2"):
            opening(tmp_path)
    assert (tmp_path / NAME).read_bytes() == b'{"version":3}'


def test_errors_of_the_disk_keep_their_number(tmp_path: Path) -> None:
    """A folder where nobody may write is said so when the sink is opened."""
    sink = StoreSink(StoreConfig("/proc/no/store"))
    with pytest.raises(SinkError, match=os.strerror(errno.ENOENT)):
        asyncio.run(sink.open([*kinds()]))
