"""Lines of rows whose values repeat: the same bytes as row by row."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.arrays import Array, Columns
from model.batch import Batch
from model.column import Column
from model.kind import Kind
from model.kinds import kinds
from model.kinds.delta import DELTA
from model.kinds.flow import FLOW
from model.rows import same
from model.rows.fields import Field
from model.rows.layout import Span, layout_of
from tailrace.testing import make_batch, make_deltas, make_flows

WITH_ROWS = [kind for kind in kinds() if kind.columns]


def lines_of(batch: Batch) -> bytes:
    """The lines, which are byte for byte those of row by row."""
    found = b"".join(text for _, text in batch.kind.rows.lines(batch))
    plain = b"".join(text for _, text in batch.kind.rows.plain_lines(batch))
    different = (
        pair for pair in zip(found.split(b"\n"), plain.split(b"\n"), strict=True) if pair[0] != pair[1]
    )
    assert next(different, None) is None
    return found


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Some hundred rows that are few different ones, but for columns that vary, or are the same in all."""
    kind = draw(st.sampled_from(WITH_ROWS))
    count, few = draw(st.integers(200, 1500)), draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    batch = make_batch(kind, few, seed=few, seq=draw(st.integers(0, 2)))
    batch = batch.take(random.integers(0, few, count))
    plain = [column for column in kind.columns if column.table is None]
    for column in draw(st.lists(st.sampled_from(plain), max_size=8)):
        batch.columns[column.name][:] = anything(column, random, count)
    for column in draw(st.lists(st.sampled_from(plain), max_size=8)):
        batch.columns[column.name][:] = anything(column, random, 1)
    if draw(st.booleans()) and kind.brief:
        batch = replace(batch, kind=replace(kind, only=kind.brief))
    return batch


def anything(column: Column, random: np.random.Generator, count: int) -> Array:
    """Values of a column; a third of them is 0, and few say something else than most."""
    data = random.integers(0, 256, (count, column.dtype.itemsize), np.uint8)
    data[random.random(count) < 0.33] = 0
    data[random.random(count) < 0.5] = 7
    values: Array = data.view(column.type).ravel()
    return values


@settings(max_examples=150, deadline=None)
@given(batches())
def test_lines_are_those_of_row_by_row(batch: Batch) -> None:
    """Byte for byte, of all kinds, whatever repeats and whatever a batch before it suggested."""
    lines_of(batch)


@pytest.mark.parametrize("kind", WITH_ROWS, ids=lambda kind: kind.name)
def test_seconds_of_few_rows_and_of_many_are_written_alike(kind: Kind) -> None:
    """In pieces of at most a thousand, with their numbers; none of an empty batch."""
    for rows in (0, 1, 199, 200, 1000, 2500):
        batch = make_batch(kind, rows)
        pieces = [(count, text.count(b"\n")) for count, text in kind.rows.lines(batch)]
        assert all(count == lines <= 1000 for count, lines in pieces)
        assert sum(count for count, _ in pieces) == rows
        assert lines_of(batch).count(b"\n") == rows


def test_what_was_the_same_in_all_rows_may_differ_in_the_next_batch() -> None:
    """And the other way round."""
    steady = make_deltas(1000, columns={"tx_bytes": 7, "process.comm": b"nginx", "connection.state": 1})
    moving = make_deltas(1000, seed=1)
    for batch in (steady, moving, steady, moving):
        lines_of(batch)


def test_fields_that_repeat_are_written_once() -> None:
    """Of connections of few processes all that is not ports, counters and times stands in few stretches."""
    batch = make_flows(3).take(np.arange(3000) % 3)
    for name in ("connection.id", "client.port", "client.tx_bytes"):
        batch.columns[name][:] = np.arange(3000)
    layout = layout_of(FLOW.rows.fields, batch)
    varying = [FLOW.rows.fields[part].name for part in layout.parts if not isinstance(part, Span)]
    assert varying == ["connection.id", "client.port", "client.tx_bytes"]
    assert len(layout.parts) == 6
    lines_of(batch)


class Seen(dict[str, Array]):
    """Columns that tell which of them were asked for."""

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.asked.add(name)
        return super().__getitem__(name)


def fields() -> Iterator[tuple[Kind, Field]]:
    """All of ours."""
    for kind in WITH_ROWS:
        yield from ((kind, field) for field in kind.rows.fields)


@pytest.mark.parametrize(("kind", "field"), list(fields()), ids=lambda each: each.name)
def test_fields_read_what_they_say(kind: Kind, field: Field) -> None:
    """All columns that a value depends on are named."""
    seen = Seen(make_batch(kind, 50).columns)
    list(field.values(seen, make_batch(kind, 50).tables))
    assert field.reads
    assert seen.asked <= set(field.reads)


def test_a_field_that_says_nothing_of_its_columns_is_asked_for_each_row() -> None:
    """Such as one of somebody else's kind."""
    columns = [column for column in DELTA.columns if column.name != "tx_bytes"]
    own = Column("tx_bytes", "<u8", fields=lambda _: (Field("twice", _twice),))
    kind = replace(DELTA, name="mine", plural="mines", columns=(*columns, own))
    batch = replace(make_deltas(5), kind=kind).take(np.arange(1000) % 5)
    found = lines_of(batch)
    assert found.count(b'"twice":') == np.count_nonzero(batch.columns["tx_bytes"])


def _twice(columns: Columns, _: object) -> list[Any]:
    doubled: list[Any] = (2 * columns["tx_bytes"]).tolist()
    return doubled


def test_no_rows_are_no_groups() -> None:
    """Of columns of any type."""
    groups = same.same_rows([np.zeros(0, type_) for type_ in ("<u1", "<u8", "S16", "V12")])
    assert (len(groups.firsts), len(groups.numbers)) == (0, 0)


@pytest.mark.parametrize("odd", [None, 0, 1 << 63], ids=["random", "nothing", "high_bits"])
def test_rows_of_a_group_say_the_same(odd: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where sums of rows that differ are equal, as they all are when they are multiplied by 0."""
    if odd is not None:
        monkeypatch.setattr(same, "_ODD", np.full(8, odd, np.uint64))
    random = np.random.default_rng(1)
    columns = [
        random.integers(0, 3, 1000).astype(np.uint8),
        random.choice(np.array([b"a", b"b" * 16, b""], "S16"), 1000),
        random.choice(np.array([b"x" * 12, b"y" * 12], "V12"), 1000),
    ]
    groups = same.same_rows(columns)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert [rows[groups.firsts[number]] for number in groups.numbers.tolist()] == rows
    if odd is None:
        assert len(groups.firsts) == len(set(rows)) == 18
