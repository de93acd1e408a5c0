"""Batches: what is encoded comes back, chunks add up, and bytes that are no batch are refused."""

import json
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.addresses import address_text
from model.kind import Kind
from model.kinds import kinds
from model.kinds.delta import DELTA
from model.message import BadBatch, decode
from model.tables import ENTITY
from tailrace.testing.batches import make_batch
from tailrace.testing.deltas import make_deltas
from tests.plain_rows import plain_rows


def test_round_trip() -> None:
    """Every column and field survives encoding."""
    batch = make_deltas(100, seed=1)
    back = decode(batch.encode())
    assert (back.node, back.window, back.tables["cgroups"]) == (
        batch.node,
        batch.window,
        batch.tables["cgroups"],
    )
    for name in DELTA.types:
        assert back.columns[name].tobytes() == batch.columns[name].tobytes(), name


def test_columns_of_zeros_take_no_room() -> None:
    """They come back as they were; a message cannot ask for more rows than fit a reader's memory."""
    batch = make_deltas(100, seed=1)
    names = ["tx_bytes", "network.peer.address", "process.comm"]
    empty = replace(
        batch, columns=batch.columns | {name: np.zeros_like(batch.columns[name]) for name in names}
    )
    message = msgpack.unpackb(empty.encode())
    assert [message["columns"][name] for name in names] == [b"", b"", b""]
    back = decode(empty.encode())
    for name in DELTA.types:
        assert back.columns[name].tobytes() == empty.columns[name].tobytes(), name
    columns = dict.fromkeys(DELTA.types, b"")
    with pytest.raises(BadBatch, match="65536"):
        decode(msgpack.packb(message | {"n": 1 << 40, "columns": columns}))


@pytest.mark.parametrize("rows", [0, 1, DELTA.chunk_rows, DELTA.chunk_rows + 1, 3 * DELTA.chunk_rows])
def test_chunks_add_up(rows: int) -> None:
    """Chunks are numbered, none is larger than the limit, and together they are the batch."""
    chunks = list(make_deltas(rows, seed=2).chunked())
    assert sum(map(len, chunks)) == rows
    assert [chunk.chunk for chunk in chunks] == list(range(max(1, -(-rows // DELTA.chunk_rows))))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert len({chunk.seq for chunk in chunks}) == len(chunks)


def test_a_message_fits_into_a_megabyte() -> None:
    """A full chunk stays below what a NATS server takes by default."""
    assert len(make_deltas(DELTA.chunk_rows, seed=3).encode()) < 1_000_000


@given(st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=4), max_size=9))
def test_the_size_of_entities_is_never_less_than_what_msgpack_makes(entities: list[dict[str, str]]) -> None:
    """Asked again it is the same; texts of any letters count."""
    size = ENTITY.nbytes(entities)
    assert len(msgpack.packb(ENTITY.encode(entities))) <= size == ENTITY.nbytes(entities)


@pytest.mark.parametrize("max_bytes", [950_000, 60_000, 1])
def test_messages_fit_also_with_many_long_paths(max_bytes: int) -> None:
    """Each row has a cgroup of its own: messages get smaller, none beyond the limit but a single row's."""
    batch = make_deltas(5000, seed=7)
    paths = [f"/kubepods.slice/{number:04}/{'x' * 200}" for number in range(5000)]
    batch = replace(
        batch, columns=batch.columns | {"cgroup.index": np.arange(5000, dtype=np.uint32)}
    ).with_tables(cgroups=paths)
    chunks = list(batch.fitting(max_bytes))
    assert [row["cgroup.path"] for chunk in chunks for row in plain_rows(chunk)] == paths
    assert all(len(chunk.encode()) <= max_bytes or len(chunk) == 1 for chunk in chunks)
    assert [chunk.seq for chunk in chunks] == list(range(batch.seq, batch.seq + len(chunks)))
    assert {chunk.chunks for chunk in chunks} == {len(chunks)}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"v": 99}, "version 99"),
        ({"n": 4}, "rows"),
        ({"columns": 3}, "Expected `object`"),
    ],
)
def test_a_wrong_message_says_what_is_wrong(changes: dict[str, object], complaint: str) -> None:
    """Unknown versions and columns that do not fit are refused with the reason."""
    message = msgpack.unpackb(make_deltas(3, seed=4).encode()) | changes
    with pytest.raises(BadBatch, match=complaint):
        decode(msgpack.packb(message))


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    """Any bytes give a batch or BadBatch, nothing else."""
    with pytest.raises(BadBatch):
        decode(data)


def test_truncated_messages_are_refused() -> None:
    """A message cut anywhere is no batch."""
    whole = make_deltas(2, seed=5).encode()
    for length in range(0, len(whole), 97):
        with pytest.raises(BadBatch):
            decode(whole[:length])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (bytes(10) + b"\xff\xff\x7f\0\0\x01", "127.0.0.1"),
        (bytes(15) + b"\x01", "::1"),
        (bytes.fromhex("20010db8000000000000000000000001"), "2001:db8::1"),
    ],
)
def test_addresses_as_people_write_them(raw: bytes, text: str) -> None:
    """IPv4-mapped addresses come out as IPv4."""
    assert address_text(raw) == text


def test_rows_are_plain_types() -> None:
    """A row is a dictionary of numbers and text, with the cgroup's path in place of its number."""
    row = next(plain_rows(make_deltas(1, seed=6)))
    assert isinstance(row["tx_bytes"], int)
    assert isinstance(row["process.comm"], str)
    assert isinstance(row["cgroup.path"], str)
    assert "cgroup.index" not in row
    assert not any(isinstance(value, np.generic) for value in row.values())


ROW_KINDS = pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)


@ROW_KINDS
def test_rows_of_any_kind_have_the_words_of_json_lines(kind: Kind) -> None:
    """And those of msgpack the same, without what is alike in all rows of a batch."""
    batch = make_batch(kind, 2500, seed=5)
    lines = [json.loads(line) for _, text in batch.json_lines() for line in text.splitlines()]
    assert lines == list(batch.rows())
    head = {"kind": kind.name, "node": "node-a", "boot": "boot-1", "seq": 0, "window": batch.window}
    assert lines == [head | msgpack.unpackb(row) for row in batch.packed_rows()]


@ROW_KINDS
def test_messages_of_any_kind_say_what_the_batch_says(kind: Kind) -> None:
    """Row by row, however they are cut; each message has only what its rows point to in its tables."""
    batch = make_batch(kind, 700, seed=6)
    for max_bytes in (950_000, len(batch.encode()) // 4):
        messages = [decode(chunk.encode()) for chunk in batch.fitting(max_bytes)]
        rows = [replace(message, seq=0) for message in messages]
        assert [row for message in rows for row in message.rows()] == list(batch.rows())
        assert all(len(message.encode()) <= max_bytes for message in messages)
        for message in messages:
            for name, indexes in kind.indexes.items():
                used = {0}.union(*(message.columns[index].tolist() for index in indexes))
                assert len(message.tables[name]) == len(used), name
    assert len(messages) > 1


@ROW_KINDS
def test_whatever_is_missing_has_its_default(kind: Kind) -> None:
    """A message with nothing but its head is a batch of so many rows of defaults."""
    whole = msgpack.unpackb(make_batch(kind, 3).encode())
    head = {name: whole[name] for name in ("v", "kind", "node", "boot", "seq", "window", "chunk", "chunks")}
    batch = decode(msgpack.packb(head | {"n": 3, "columns": {}}))
    assert len(batch) == 3
    for name, column in kind.empty(3).items():
        assert batch.columns[name].tobytes() == column.tobytes(), name
    assert list(batch.rows()) == list(replace(batch, columns=kind.empty(3)).rows())
