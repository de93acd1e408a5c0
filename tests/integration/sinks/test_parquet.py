"""The sink parquet with the readers that people have, and what is left when it is killed or the disk is full."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars
import pyarrow.dataset
import pytest

from model.batch import Batch
from model.kinds.flow import FLOW
from model.kinds.workload import WORKLOAD
from model.ledger import Ledger
from sinks.limits import BatchLimits, Limits
from sinks.parquet.part_file import UNFINISHED
from sinks.parquet.sink import ParquetConfig, ParquetSink
from tailrace.testing import make_flows, make_workloads
from tailrace.testing.deltas import WINDOW
from tests.configured import make_fan_out
from tests.full_disk import small_disk

HOUR = 3600


def hours(count: int, rows: int = 500) -> list[Batch]:
    """So many hours with one second of flows each."""
    return [
        make_flows(rows, seq=number, seed=number, window=WINDOW + number * HOUR) for number in range(count)
    ]


def whole(folder: Path) -> list[Path]:
    """The files that are whole."""
    return sorted(folder.rglob("*.parquet"))


def unfinished(folder: Path) -> list[Path]:
    """Those that are not."""
    return list(folder.rglob(f".*{UNFINISHED}"))


def asked(query: str) -> list[tuple[object, ...]]:
    """What DuckDB answers."""
    found = duckdb.sql(query)
    assert found is not None
    return found.fetchall()


async def written(folder: Path, *batches: Batch, **settings: object) -> list[Path]:
    """The files of these batches, flushed once."""
    sink = ParquetSink(ParquetConfig(str(folder), **settings))  # type: ignore[arg-type]
    await sink.open([FLOW, WORKLOAD])
    for batch in batches:
        await sink.write(batch)
    await sink.flush()
    await sink.close()
    return whole(folder)


async def test_duckdb_polars_and_pyarrow_read_the_same(tmp_path: Path) -> None:
    """Partitions become columns, sums are those of the rows, maps and lists are nested."""
    batches = hours(3)
    files = await written(tmp_path, *batches)
    assert [str(file.parent.relative_to(tmp_path)) for file in files] == [
        f"kind=flows/date=2023-11-{day}/hour={hour}" for day, hour in ((14, 22), (14, 23), (15, "00"))
    ]
    sent = sum(int(batch.columns["client.tx_bytes"].sum()) for batch in batches)
    places = f"read_parquet('{tmp_path}/**/*.parquet', hive_partitioning = true)"
    sums = 'sum("client.tx_bytes")::BIGINT, count(*), count(DISTINCT hour)'
    assert asked(f"SELECT {sums} FROM {places} WHERE kind = 'flows'") == [(sent, 1500, 3)]
    frame = polars.scan_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True)
    total = frame.select(polars.col("client.tx_bytes").sum(), polars.len()).collect()
    assert total.row(0) == (sent, 1500)
    table = pyarrow.dataset.dataset(tmp_path, partitioning="hive").to_table()
    assert pyarrow.compute.sum(table["client.tx_bytes"]).as_py() == sent
    seqs = asked(f"SELECT DISTINCT seq FROM {places} ORDER BY seq")
    assert seqs == [(0,), (1,), (2,)]


async def test_a_row_is_what_its_json_line_says(tmp_path: Path) -> None:
    """Workloads with their histograms; what a line leaves out is 0, empty or null here."""
    batch = make_workloads(50)
    (file,) = await written(tmp_path, batch, partition="kind")
    found = pyarrow.parquet.read_table(file, partitioning=None).to_pylist()
    for row, line in zip(found, batch.rows(), strict=True):
        for name in line.keys() - {"kind", "rtt_ns"}:
            assert row[name] == line[name], name
        assert row["rtt_ns"]["buckets"] == line["rtt_ns"]["buckets"]


async def test_chunks_of_one_second_keep_their_numbers(tmp_path: Path) -> None:
    """They become one row group, in which each row names its own batch."""
    chunks = list(make_flows(2500, seq=7).chunked(1000))
    (file,) = await written(tmp_path, *chunks)
    table = pyarrow.parquet.read_table(file, partitioning=None)
    assert pyarrow.parquet.ParquetFile(file).num_row_groups == 1
    assert table["seq"].to_pylist() == [7] * 1000 + [8] * 1000 + [9] * 500


async def test_files_of_a_size_are_followed_by_others(tmp_path: Path) -> None:
    """None is there before the flush, and all rows are after it."""
    sink = ParquetSink(ParquetConfig(str(tmp_path), file_bytes=1 << 16))
    await sink.open([FLOW])
    for number in range(3):
        await sink.write(make_flows(140_000, seed=number, seq=number))
        assert not whole(tmp_path)
    await sink.flush()
    files = whole(tmp_path)
    assert len(files) == 3
    assert sum(pyarrow.parquet.ParquetFile(file).metadata.num_rows for file in files) == 420_000
    await sink.close()
    assert not unfinished(tmp_path)


#: Writes a batch at each line that comes, and flushes at some; says so.
_WRITER = """
import asyncio, sys
from model.kinds.flow import FLOW
from sinks.parquet.sink import ParquetConfig, ParquetSink
from tailrace.testing import make_flows

async def main():
    sink = ParquetSink(ParquetConfig(sys.argv[1]))
    await sink.open([FLOW])
    for number in range(4):
        await sink.write(make_flows(140_000, seed=number, seq=number))
        if number == 1:
            await sink.flush()
    print("written", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def test_a_kill_leaves_nothing_half_written(tmp_path: Path) -> None:
    """What was flushed is there and readable, what was not is not, and the next program removes the rest."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        left = unfinished(tmp_path)
        assert len(left) == 1
        other = ParquetSink(ParquetConfig(str(tmp_path)))
        asyncio.run(other.open([FLOW]))
        assert left[0].exists(), "somebody still writes it"
        process.send_signal(signal.SIGKILL)
    assert asked(f"SELECT count(*) FROM '{tmp_path}/**/*.parquet'") == [(280_000,)]
    asyncio.run(ParquetSink(ParquetConfig(str(tmp_path))).open([FLOW]))
    assert not unfinished(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """One with room for some of the rows."""
    with small_disk(tmp_path / "small", 1_000_000) as folder:
        yield folder


async def test_a_full_disk_loses_what_the_ledger_says(disk: Path) -> None:
    """Rows that were made safe stay, later ones go on when there is room; delivered and lost add up."""
    ledger, rows = Ledger(), 2000
    sink = ParquetSink(ParquetConfig(str(disk)))
    limits = Limits(batch=BatchLimits(rows=rows))
    stage = ledger.stage("sink.parquet", "rows")
    async with make_fan_out({"parquet": sink}, ledger, limits, stage="flows") as fan_out:
        for number in range(20):
            await fan_out.put(make_flows(rows, seed=number, seq=number))
        await fan_out.flush()
        assert stage.dropped["disk_full"] > 0
        kept = count(disk)
        assert kept == stage.delivered == 20 * rows - stage.dropped["disk_full"]
        for file in whole(disk):
            file.unlink()
        before, after = stage.delivered, count(disk)
        await fan_out.put(make_flows(rows, seed=99, seq=99))
        await fan_out.flush()
        assert (stage.delivered - before, count(disk) - after) == (rows, rows)
    assert stage.balanced


def count(folder: Path) -> int:
    """Rows in all files."""
    return sum(pyarrow.parquet.ParquetFile(file).metadata.num_rows for file in whole(folder))


async def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").write_text("")
    sink = ParquetSink(ParquetConfig(str(tmp_path / "file" / "folder")))
    with pytest.raises(Exception, match=r"cannot write to .*: choose a folder that this user may write to"):
        await sink.open([FLOW])
