"""Rotated files of the sink jsonl as zstd."""

import json
import random
import sys
from pathlib import Path

import pytest
import zstandard

from model.batch import Batch
from model.kinds.delta import DELTA
from sinks.jsonl.compressed import UNFINISHED, compress
from sinks.jsonl.sink import JsonlConfig, JsonlSink
from tailrace.testing.deltas import make_deltas
from tests.full_disk import small_disk


def rotated(folder: Path) -> list[str]:
    """The names of rotated files."""
    return sorted(file.name for file in folder.glob("out.*"))


async def write(config: JsonlConfig, *batches: Batch) -> None:
    """Batches into a file, from open to close."""
    sink = JsonlSink(config)
    await sink.open([DELTA])
    for batch in batches:
        await sink.write(batch)
    await sink.close()


def slots(*paths: Path) -> list[int]:
    """Of all rows in files, compressed or not."""
    found = []
    for path in paths:
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        found += [json.loads(line)["socket.slot"] for line in data.splitlines()]
    return found


async def test_rotated_files_are_compressed(tmp_path: Path) -> None:
    """All but the one in use; no line is lost, and they are a quarter as long at most."""
    config = JsonlConfig(str(tmp_path / "out"), rotate_bytes=50_000, keep=100, compress="zstd")
    await write(config, make_deltas(700))
    numbers = sorted((int(name.split(".")[1]) for name in rotated(tmp_path)), reverse=True)
    files = [tmp_path / f"out.{number}.zst" for number in numbers]
    assert len(files) > 5
    assert slots(*files, tmp_path / "out") == list(range(700))
    assert max(path.stat().st_size for path in files) < 12_500


async def test_both_forms_are_numbered_and_kept_together(tmp_path: Path) -> None:
    """Files of before compression was chosen go with the others."""
    path = tmp_path / "out"
    await write(JsonlConfig(str(path), rotate_bytes=20_000, keep=4), make_deltas(120))
    assert len(rotated(tmp_path)) >= 2
    compressed = JsonlConfig(str(path), rotate_bytes=20_000, keep=4, compress="zstd")
    await write(compressed, make_deltas(60))
    names = rotated(tmp_path)
    assert {name.split(".")[1] for name in names} == {str(number) for number in range(1, len(names) + 1)}
    assert names[0] == "out.1.zst"
    await write(compressed, make_deltas(600))
    assert rotated(tmp_path) == [f"out.{number}.zst" for number in range(1, 5)]


def test_a_full_disk_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    """Nothing half written stays beside it."""
    with small_disk(tmp_path / "small", 64 << 10) as folder:
        path = folder / "out.1"
        (folder / "filler").write_bytes(bytes(8 << 10))
        path.write_bytes(_noise(52 << 10))
        compress(path)
        assert sorted(file.name for file in folder.iterdir()) == ["filler", "out.1"]
        assert path.read_bytes() == _noise(52 << 10)


def _noise(size: int) -> bytes:
    """What does not become shorter."""
    return random.Random(1).randbytes(size)


async def test_without_zstandard_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(Exception, match=r"needs zstandard: pip install 'tailrace\[zstd\]'"):
        await write(JsonlConfig(str(tmp_path / "out"), compress="zstd"))


def test_what_a_killed_program_left_is_overwritten(tmp_path: Path) -> None:
    """A half file beside the rotated one does not hinder the next compression."""
    path = tmp_path / "out.1"
    path.write_bytes(b'{"socket.slot":7}\n')
    (tmp_path / f"out.1.zst{UNFINISHED}").write_bytes(b"half")
    compress(path)
    assert slots(tmp_path / "out.1.zst") == [7]
    assert [file.name for file in tmp_path.iterdir()] == ["out.1.zst"]
