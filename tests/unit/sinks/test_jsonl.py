"""JSON lines: what a row looks like, and that no line is ever lost, split or left half."""

import asyncio
import ctypes
import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.plugins.sinks import sink_from_argument
from model.addresses import address_bytes
from model.batch import Batch
from model.chains import HOP, Chains
from model.errors import SinkError
from model.kinds.delta import DELTA, NO_SLOT, CloseReason, Evidence
from model.ledger import Ledger
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from tailrace.testing.batches import make_ledger
from tailrace.testing.deltas import CGROUPS, WINDOW, make_deltas
from tests.configured import make_fan_out
from tests.scripted_sink import ScriptedSink


async def write(config: JsonlConfig, *batches: Batch) -> None:
    sink = JsonlSink(config)
    await sink.open((DELTA,))
    for batch in batches:
        await sink.write(batch)
    await sink.close()


def lines(*paths: Path) -> list[dict[str, Any]]:
    """The objects in the files, each of which must consist of whole lines."""
    texts = [path.read_text() for path in paths]
    assert all(text == "" or text.endswith("\n") for text in texts)
    return [json.loads(line) for text in texts for line in text.splitlines()]


def slots(*paths: Path) -> list[int]:
    return [line["socket.slot"] for line in lines(*paths)]


def rotated_files(path: Path) -> list[Path]:
    """The rotated files of ``path``, the oldest first."""
    return sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: -int(file.suffix[1:]))


def one_row(columns: dict[str, object]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(
        b"".join(text for _, text in make_deltas(1, ipv6=0, columns=columns).json_lines())
    )
    return row


def test_row_is_one_object_with_the_names_of_the_schema() -> None:
    """A closed connection: words for codes, text for addresses, and nothing that is zero."""
    batch = Batch(DELTA, "node-a", "boot-1", 0, WINDOW, DELTA.empty(1), {"cgroups": list(CGROUPS)})
    row = {
        "socket.slot": 7,
        "network.type": 4,
        "network.local.address": address_bytes("192.0.2.1"),
        "network.local.port": 80,
        "network.peer.address": address_bytes("198.51.100.9"),
        "network.peer.port": 40000,
        "process.pid": 17,
        "process.comm": b"caf\xc3\xa9\xff",
        "cgroup.index": 1,
        "owner.evidence": Evidence.ACCEPTED,
        "connection.role": 2,
        "connection.state": 7,
        "connection.closed": 1,
        "connection.close_reason": CloseReason.ERROR,
        "error.errno": errno.EHOSTUNREACH,
        "tx_bytes": 2**64 - 1,
    }
    for name, value in row.items():
        batch.columns[name][:] = np.asarray(value, batch.columns[name].dtype)
    assert json.loads(b"".join(text for _, text in batch.json_lines())) == {
        "seq": 0,
        "kind": "delta",
        "node": "node-a",
        "boot": "boot-1",
        "window": WINDOW,
        "socket.slot": 7,
        "socket.generation": 0,
        "network.transport": "tcp",
        "network.type": "ipv4",
        "network.local.address": "192.0.2.1",
        "network.local.port": 80,
        "network.peer.address": "198.51.100.9",
        "network.peer.port": 40000,
        "process.pid": 17,
        "process.comm": "café\ufffd",
        "user.id": 0,
        "cgroup.path": CGROUPS[1],
        "owner.evidence": "accepted",
        "connection.role": "server",
        "connection.state": "close",
        "connection.closed": True,
        "connection.close_reason": "error",
        "error.errno": errno.EHOSTUNREACH,
        "error.type": "EHOSTUNREACH",
        "tx_bytes": 2**64 - 1,
    }


def test_nobodys_socket_has_no_user() -> None:
    """user.id 0 is root if somebody owns the socket, and left out if nobody does."""
    assert one_row({"user.id": 0, "owner.evidence": Evidence.OPENED})["user.id"] == 0
    assert "user.id" not in one_row({"user.id": 0, "owner.evidence": Evidence.NONE})


def test_row_without_a_slot_has_none() -> None:
    """The number that stands for no slot is not written."""
    assert "socket.slot" not in one_row({"socket.slot": NO_SLOT})


def test_unknown_codes_stay_numbers() -> None:
    """A state, role or error number that this version has no word for is written as the number."""
    row = one_row({"connection.state": 99, "connection.role": 77, "error.errno": 4000})
    assert (row["connection.state"], row["connection.role"]) == (99, 77)
    assert (row["error.errno"], row["error.type"]) == (4000, "4000")


def test_row_has_its_resolved_tuple_totals_and_chain() -> None:
    """Where something was rewritten; the index into the table is gone."""
    hops = np.array([(address_bytes("10.0.0.5"), address_bytes("10.96.0.10"), 4711, 443)], HOP)
    columns = {
        "nat.index": 1,
        "connection.source.address": address_bytes("10.0.0.5"),
        "connection.source.port": 4711,
        "tx_bytes_total": 5000,
    }
    batch = make_deltas(1, columns=columns).with_tables(chains=Chains(np.ones(1, np.uint8), hops))
    row = json.loads(b"".join(text for _, text in batch.json_lines()))
    assert (row["connection.source.address"], row["connection.source.port"]) == ("10.0.0.5", 4711)
    assert row["tx_bytes_total"] == 5000
    assert row["nat"] == [
        {
            "source.address": "10.0.0.5",
            "source.port": 4711,
            "destination.address": "10.96.0.10",
            "destination.port": 443,
        }
    ]
    assert "nat.index" not in row


async def test_ledger_is_written_when_it_changed(tmp_path: Path) -> None:
    """The same ledger twice makes one line, another one a second line."""
    ledgers: list[dict[str, Any]] = [{"ring": {"dropped": {}}}] * 2 + [{"ring": {"dropped": {"full": 3}}}]
    batches = [make_ledger(ledger, window=WINDOW + i) for i, ledger in enumerate(ledgers)]
    await write(JsonlConfig(str(path := tmp_path / "out")), *batches)
    head = {"kind": "ledger", "node": "node-a", "boot": "boot-1"}
    assert lines(path) == [
        head | {"window": WINDOW, "stages": {"ring": {"dropped": {}}}},
        head | {"window": WINDOW + 2, "stages": {"ring": {"dropped": {"full": 3}}}},
    ]


async def test_rotation_loses_and_splits_no_line(tmp_path: Path) -> None:
    """Files stay below the limit, and together hold all rows in order, the newest in the file itself."""
    path = tmp_path / "out"
    await write(JsonlConfig(str(path), rotate_bytes=50_000, keep=100), make_deltas(700), make_deltas(300))
    rotated = rotated_files(path)
    assert len(rotated) > 8
    assert max(file.stat().st_size for file in rotated) <= 50_000
    assert min(file.stat().st_size for file in rotated) > 48_000
    assert slots(*rotated, path) == [*range(700), *range(300)]


async def test_only_so_many_rotated_files_are_kept(tmp_path: Path) -> None:
    """Of many rotated files the two newest stay; with none to keep only the file itself does."""
    path = tmp_path / "out"
    await write(JsonlConfig(str(path), rotate_bytes=20_000, keep=2), make_deltas(500))
    assert [file.name for file in rotated_files(path)] == ["out.2", "out.1"]
    kept = slots(*rotated_files(path), path)
    assert kept == list(range(500 - len(kept), 500))
    await write(JsonlConfig(str(tmp_path / "none"), rotate_bytes=20_000, keep=0), make_deltas(500))
    assert not (tmp_path / "none.1").exists()
    assert slots(tmp_path / "none")[-1] == 499


async def test_lines_longer_than_the_limit_get_a_file_each(tmp_path: Path) -> None:
    """A limit below one line's length is no reason to lose it."""
    path = tmp_path / "out"
    await write(JsonlConfig(str(path), rotate_bytes=10, keep=9), make_deltas(3))
    assert [slots(tmp_path / name) for name in ("out.2", "out.1", "out")] == [[0], [1], [2]]


async def test_rotation_by_time_follows_the_windows(tmp_path: Path) -> None:
    """A file spans ten seconds of windows; the batch of the eleventh begins the next."""
    path = tmp_path / "out"
    batches = [make_deltas(1, window=WINDOW + second) for second in (0, 9, 10, 12)]
    await write(JsonlConfig(str(path), rotate_seconds=10), *batches)
    assert [line["window"] - WINDOW for line in lines(tmp_path / "out.1")] == [0, 9]
    assert [line["window"] - WINDOW for line in lines(path)] == [10, 12]


async def test_failing_rotation_keeps_writing(tmp_path: Path) -> None:
    """If the rotated name is taken by a folder, the rows go on into the file in use."""
    (tmp_path / "out.1" / "folder").mkdir(parents=True)
    await write(JsonlConfig(str(tmp_path / "out"), rotate_bytes=10_000, keep=1), make_deltas(100))
    assert slots(tmp_path / "out") == list(range(100))


async def test_renamed_removed_and_truncated_files_are_followed(tmp_path: Path) -> None:
    """After a rename or a removal the next batch begins a new file; a truncated one goes on at 0."""
    sink = JsonlSink(JsonlConfig(str(path := tmp_path / "out")))
    await sink.open((DELTA,))
    await sink.write(make_deltas(1))
    path.rename(tmp_path / "moved")
    await sink.write(make_deltas(2))
    assert (slots(tmp_path / "moved"), slots(path)) == ([0], [0, 1])
    path.unlink()
    await sink.write(make_deltas(3))
    assert slots(path) == [0, 1, 2]
    os.truncate(path, 0)
    await sink.write(make_deltas(4))
    assert slots(path) == [0, 1, 2, 3]
    await sink.close()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ('{"a":1}\n{"kind":"delta","no', '{"a":1}\n'),
        ('{"a":1}\n{"ki', '{"a":1}\n'),
        ("not ours", "not ours\n"),
        ("whole\n", "whole\n"),
    ],
)
async def test_half_a_line_of_an_earlier_run_goes(tmp_path: Path, found: str, expected: str) -> None:
    """A row cut off by a crash is removed at the next start; foreign text only gets a line end."""
    path = tmp_path / "out"
    path.write_text(found)
    await write(JsonlConfig(str(path)), make_deltas(1))
    assert path.read_text().startswith(expected + '{"kind":"delta"')
    assert len(path.read_text().splitlines()) == 2


async def test_paths_that_cannot_be_opened_say_what_to_do(tmp_path: Path) -> None:
    """A missing folder, a folder as file, and a named pipe without reader each have their remedy."""
    os.mkfifo(tmp_path / "pipe")
    remedies = {
        tmp_path / "no" / "out": "make its folder first",
        tmp_path: "name a file in it",
        tmp_path / "pipe": "start the reader of the named pipe first",
    }
    for path, remedy in remedies.items():
        sink = JsonlSink(JsonlConfig(str(path)))
        with pytest.raises(SinkError, match=f"cannot open {path} .*: {remedy}"):
            await sink.open((DELTA,))
        await sink.close()


def test_argument_sets_the_path() -> None:
    """``jsonl:PATH`` writes to that path, colons included."""
    assert sink_from_argument("jsonl:/tmp/a:b") == ("jsonl", {"path": "/tmp/a:b"})


async def test_dash_is_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """``-`` writes to standard output, which stays open."""
    await write(JsonlConfig(), make_deltas(3))
    assert [json.loads(line)["socket.slot"] for line in capfd.readouterr().out.splitlines()] == [0, 1, 2]
    os.fstat(1)


async def test_gone_reader_is_a_broken_pipe(tmp_path: Path) -> None:
    """When the reader of a pipe ends, the rows are lost as broken_pipe, with a sentence that says so."""
    os.mkfifo(path := tmp_path / "pipe")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = JsonlSink(JsonlConfig(str(path)))
    await sink.open((DELTA,))
    os.close(reader)
    with pytest.raises(SinkError, match="its reader has ended") as caught:
        await sink.write(make_deltas(10))
    assert (caught.value.reason, caught.value.lost_rows, caught.value.retryable) == ("broken_pipe", 10, False)
    await sink.close()


async def test_reader_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    """While a pipe is full another sink gets its rows, and the end leaves the stuck write behind."""
    os.mkfifo(path := tmp_path / "pipe")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    other, ledger = ScriptedSink(), Ledger()
    fan_out = make_fan_out({"pipe": JsonlSink(JsonlConfig(str(path))), "other": other}, ledger)
    await fan_out.start()
    for seq in range(10):
        fan_out.offer(make_deltas(5000, seq=seq))
    await other.wait_for(10)
    async with asyncio.timeout(60):
        await fan_out.stop(timeout=0.01)
    os.close(reader)
    assert ledger.stages["sink.pipe"].dropped == {"shutdown": 50_000}


@contextmanager
def tiny_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of ``size`` bytes at ``path``; skips the test where it may not be mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", bytes(path), b"tmpfs", 0, b"size=%d" % size):
        pytest.skip(f"cannot mount a tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        assert libc.umount(bytes(path)) == 0


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def lost_rows(sink: JsonlSink, batch: Batch) -> int:
    with pytest.raises(SinkError) as caught:
        await sink.write(batch)
    assert (caught.value.reason, caught.value.retryable) == ("disk_full", False)
    assert caught.value.lost_rows is not None
    return caught.value.lost_rows


async def test_full_disk_costs_rows_but_leaves_whole_lines(tmp_path: Path) -> None:
    """Rows written before the disk is full stay, those lost are counted exactly; with room it goes on."""
    path, ballast = tmp_path / "out", tmp_path / "ballast"
    with tiny_disk(tmp_path, 1 << 20):
        ballast.write_bytes(bytes(512 << 10))
        sink = JsonlSink(JsonlConfig(str(path)))
        await sink.open((DELTA,))
        lost = await lost_rows(sink, make_deltas(2500))
        assert 1000 > lost - 1000 > 0
        assert slots(path) == list(range(2500 - lost))
        assert await lost_rows(sink, make_deltas(100)) > 90
        before = len(lines(path))
        ballast.unlink()
        await sink.write(make_ledger({"a": {}}))
        await sink.write(make_deltas(100))
        assert slots_and_kinds(path)[before:] == ["ledger", *range(100)]
        await sink.close()


async def test_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    """Where the process may not write more, no half line stays, and rows follow once it may."""
    sink = JsonlSink(JsonlConfig(str(path := tmp_path / "out")))
    await sink.open((DELTA,))
    with file_size_limit(100_000):
        lost = await lost_rows(sink, make_deltas(1000))
    assert slots(path) == list(range(1000 - lost))
    await sink.write(make_deltas(5))
    assert slots(path) == [*range(1000 - lost), *range(5)]
    await sink.close()


async def test_ledger_that_found_no_room_comes_later(tmp_path: Path) -> None:
    """A ledger line that could not be written loses no rows and is written when the ledger comes again."""
    sink = JsonlSink(JsonlConfig(str(path := tmp_path / "out")))
    await sink.open((DELTA,))
    batch = make_ledger({"stage" * 100: {}})
    with file_size_limit(100):
        assert await lost_rows(sink, batch) == 0
    assert path.read_text() == ""
    await sink.write(batch)
    assert slots_and_kinds(path) == ["ledger"]
    await sink.close()


def slots_and_kinds(path: Path) -> list[int | str]:
    return [line.get("socket.slot", line["kind"]) for line in lines(path)]
