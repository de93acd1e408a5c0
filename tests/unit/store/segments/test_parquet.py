"""Files of the store are Parquet as others read it, and its own reader finds what it is asked for."""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.segments import duck
from store.segments.columns import Column, Lists, Table, taken
from store.segments.merged_query import merged_query
from store.segments.one_row import one_row_each
from store.segments.parquet.index import PageIndex
from store.segments.parquet.reading import FileReader
from store.segments.parquet.writing import GROUP_ROWS, PAGE_ROWS, write_file, write_table
from store.segments.tables import EDGES, LOSSES, PRESENCE, ROWS
from store.segments.tables import Table as Kind

TYPES = {
    "id": "<i8",
    "port": "<u2",
    "transport": "<u1",
    "sum": "<u8",
    "signed": "<i8",
    "name": "text",
    "buckets": "<i2[]",
    "hops": "text[]",
}


def listed(random: np.random.Generator, rows: int, values: Any) -> Lists:
    lengths = random.integers(0, 4, rows) * (random.random(rows) < 0.7)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return Lists(offsets, values(int(offsets[-1])))


def made(rows: int, seed: int, largest: int) -> dict[str, Column]:
    """A table of ``TYPES``."""
    random = np.random.default_rng(seed)
    return {
        "id": np.sort(random.integers(1, 1 << 62, rows)),
        "port": random.integers(0, 1 << 16, rows).astype("<u2"),
        "transport": random.choice([6, 17], rows).astype("<u1"),
        "sum": random.integers(0, largest, rows, np.uint64, endpoint=True),
        "signed": random.integers(-3, 300, rows),
        "name": [f"cart-{number}é" * (number % 3) for number in random.integers(0, 99, rows).tolist()],
        "buckets": listed(random, rows, lambda count: random.integers(-1, 512, count).astype("<i2")),
        "hops": listed(random, rows, lambda count: [f"10.0.0.{place % 200}" for place in range(count)]),
    }


def plain(column: Column) -> list[Any]:
    if isinstance(column, Lists):
        values, ends = plain(column.values), column.offsets.tolist()
        return [values[begin:end] for begin, end in pairwise(ends)]
    return column if isinstance(column, list) else column.tolist()


def same(one: Table, other: Table) -> bool:
    return {name: plain(column) for name, column in one.items()} == {
        name: plain(column) for name, column in other.items()
    }


def asked(statement: str) -> list[tuple[Any, ...]]:
    connection = duck.connect(1)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3 * PAGE_ROWS),
    st.integers(0, 1 << 32),
    st.sampled_from([0, 1, 255, 70_000, (1 << 64) - 1]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int, largest: int
) -> None:
    """By the store, DuckDB, pyarrow and Polars."""
    path, table = tmp_path_factory.mktemp("files") / "x.parquet", made(rows, seed, largest)
    assert write_table(path, table, TYPES, ["id"]) == (rows, path.stat().st_size)
    assert same(FileReader().read(path, TYPES), table)
    wanted = {name: plain(column) for name, column in table.items()}
    assert pyarrow.parquet.read_table(path).to_pydict() == wanted
    assert polars.read_parquet(path).to_dict(as_series=False) == wanted
    rows_found = asked(f"select * from read_parquet({duck.text(path)})")
    assert dict(zip(TYPES, map(list, zip(*rows_found, strict=True)), strict=True)) == wanted


def test_few_pages_and_columns_are_read(tmp_path: Path) -> None:
    """Those that may hold an id, and those that were asked for; a column that a file lacks is 0."""
    table = made(GROUP_ROWS + 5 * PAGE_ROWS + 7, 1, 1000)
    write_table(tmp_path / "x.parquet", table, TYPES, ["id"])
    row = GROUP_ROWS + 10
    id_ = int(np.asarray(table["id"])[row])
    read: list[int] = []

    def pages(index: PageIndex) -> np.ndarray:
        found: np.ndarray = (index.least[0] <= id_) & (id_ <= index.most[0])
        return found

    def rows(keys: Sequence[np.ndarray]) -> np.ndarray:
        read.append(len(keys[0]))
        return np.flatnonzero(keys[0] == id_)

    files = FileReader(remembered=1)
    types = {"id": "<i8", "name": "text", "buckets": "<i2[]", "new": "<u8", "lists": "<u8[]"}
    mine = files.read_where(tmp_path / "x.parquet", types, pages, ["id"], rows)
    assert read == [PAGE_ROWS]
    assert plain(mine["name"]) == [plain(table["name"])[row]]
    assert plain(mine["buckets"]) == [plain(table["buckets"])[row]]
    assert (plain(mine["new"]), plain(mine["lists"])) == ([0], [[]])


@pytest.mark.parametrize("newer", [False, True])
def test_columns_that_older_files_lack_are_empty(tmp_path: Path, newer: bool) -> None:
    """Also where no file has them yet."""
    types = {
        "id": "<i8",
        "name": "text",
        "hops": "text[]",
        "sum": "<u8",
        "port": "<u2",
        "later": "text[]",
        "new": "text",
    }
    table = made(100, 3, 1000)
    files = [tmp_path / "old.parquet"]
    write_table(files[0], table, TYPES, ["id"])
    if newer:
        files.append(tmp_path / "new.parquet")
        row = {name: taken(column, np.arange(1)) for name, column in table.items()} | {"new": ["here"]}
        write_table(files[1], row, TYPES | {"new": "text"}, ["id"])
    found = asked(f"select * from {duck.files_of(files, types)}")
    wanted = [
        *zip(*(plain(table[name]) for name in list(types)[:5]), [[]] * 100, [""] * 100, strict=True),
        *([(*(plain(table[name])[0] for name in list(types)[:5]), [], "here")] if newer else []),
    ]
    assert sorted(found) == sorted(wanted)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2 * PAGE_ROWS), st.integers(0, 1 << 32), st.floats(0, 1))
def test_rows_that_are_picked_are_those_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int, share: float
) -> None:
    """Any of them, also none of a page."""
    path, table = tmp_path_factory.mktemp("files") / "x.parquet", made(rows, seed, 1 << 40)
    write_table(path, table, TYPES, ["id"])
    random = np.random.default_rng(seed)
    wanted = np.asarray(table["id"])[random.random(rows) < share]
    found = FileReader().read_where(
        path,
        TYPES,
        lambda index: np.ones(len(index), np.bool_),
        ["id"],
        lambda keys: np.flatnonzero(np.isin(keys[0], wanted)),
    )
    places = np.flatnonzero(np.isin(np.asarray(table["id"]), wanted))
    assert same(found, {name: taken(column, places) for name, column in table.items()})


def test_groups_of_other_files_are_taken_as_they_are(tmp_path: Path) -> None:
    """One behind the other, bit by bit."""
    tables = [made(rows, rows, 1 << 40) for rows in (GROUP_ROWS + 1, 3, PAGE_ROWS)]
    paths = [tmp_path / f"{place}.parquet" for place in range(3)]
    for path, table in zip(paths, tables, strict=True):
        write_table(path, table, TYPES, ["id"])
    files = FileReader()

    def fill(writer: Any) -> None:
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            writer.copy(descriptor, files.index(descriptor, path))
            os.close(descriptor)

    rows, _ = write_file(tmp_path / "all.parquet", TYPES, ["id"], fill)
    assert rows == sum(len(table["id"]) for table in tables)
    wanted = {name: [each for table in tables for each in plain(table[name])] for name in TYPES}
    assert {name: plain(each) for name, each in files.read(tmp_path / "all.parquet", TYPES).items()} == wanted
    assert pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pydict() == wanted
    ids = f"select min(id), max(id) from read_parquet({duck.text(tmp_path / 'all.parquet')}) where id >= 0"
    assert asked(ids) == [(min(wanted["id"]), max(wanted["id"]))]


def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    """Neither under its name nor beside it."""

    def check() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_table(tmp_path / "x.parquet", made(9, 1, 9), TYPES, check=check)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x.parquet").write_bytes(b"PAR1 is not all of it PAR1")
    with pytest.raises(OSError, match="no index"):
        FileReader().read(tmp_path / "x.parquet", TYPES)


def rows_of_presence(random: np.random.Generator, rows: int) -> dict[str, Column]:
    first = 1000 + random.integers(0, 60, rows)
    texts = {name: random.choice(["", "a", "b"], rows).tolist() for name in ("node", "boot")}
    times = {"begin_s": first, "first_s": first, "last_s": first + random.integers(0, 4, rows)}
    return {**texts, **times, "part": random.integers(1, 9, rows)}


def rows_of_losses(random: np.random.Generator, rows: int) -> dict[str, Column]:
    texts = {name: random.choice(["", "x", "y"], rows).tolist() for name in ("node", "stage", "reason")}
    numbers = ("begin_s", "lost", "first_s", "last_s", "part")
    return {**texts, **{name: random.integers(0, 3, rows).astype(np.uint8) + 150 for name in numbers}}


def rows_of_edges(random: np.random.Generator, rows: int) -> dict[str, Column]:
    return {name: random.integers(0, 9, rows).astype(type_) for name, type_ in EDGES.types.items()}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([PRESENCE, LOSSES, EDGES]), st.integers(1, 40), st.integers(0, 1 << 32))
def test_one_row_of_each_key(kind: Kind, rows: int, seed: int) -> None:
    """As DuckDB makes them of the same rows."""
    make = {PRESENCE.name: rows_of_presence, LOSSES.name: rows_of_losses, EDGES.name: rows_of_edges}[
        kind.name
    ]
    table = make(np.random.default_rng(seed), rows)
    connection = duck.connect(1)
    kept = duck.register(connection, "given", table)
    wanted = connection.execute(merged_query(kind, "given")).fetchall()
    connection.close()
    del kept
    found = one_row_each(kind, table)
    assert sorted(zip(*(plain(found[name]) for name in kind.types), strict=True)) == sorted(wanted)


def test_keys_of_rows_can_be_found() -> None:
    """The index of a file has the bounds of its keys: they have 64 bits."""
    assert {ROWS.types[name] for name in ROWS.key} == {"<i8"}
