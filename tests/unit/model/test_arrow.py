"""Arrow tables say what JSON lines say, and share the memory of the batch where Arrow keeps values alike."""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from model.addresses import address_text
from model.batch import Batch
from model.chains import HOP, Chains
from model.errors import TailraceError
from model.message import decode
from model.rows.values import flags
from tailrace.testing.deltas import make_deltas
from tailrace.testing.flows import make_flows
from tailrace.testing.workloads import make_workloads

MAKERS: Final = pytest.mark.parametrize("make", [make_deltas, make_flows, make_workloads])
Make = Callable[[int], Batch]


def addresses(array: Any) -> list[int]:
    """Where the buffers of an array lie; of a dictionary's indices."""
    return [buffer.address for buffer in array.buffers() if buffer is not None]


@MAKERS
def test_columns_are_not_copied(make: Make) -> None:
    """Numbers, addresses and codes, and what points into tables of texts, are the message's own bytes."""
    batch = decode(make(100).encode())
    table, shared = batch.to_arrow(), 0
    for column in batch.kind.columns:
        values = batch.columns[column.name]
        if column.values is flags or column.dtype.kind == "S" or not values.any():
            continue
        names = [field.name for field in column.row_fields()] if column.table else [column.name]
        arrays = [table[name].chunk(0) for name in names if name in table.column_names]
        if column.table and not any(pa.types.is_dictionary(array.type) for array in arrays):
            continue  # nested values are written out
        assert all(values.ctypes.data in addresses(array) for array in arrays), column.name
        shared += len(arrays)
    assert shared > 10


@MAKERS
def test_fewer_fields_are_the_columns_that_there_are(make: Make) -> None:
    """Beside those of the batch; a map of attributes if some of them are wanted."""
    batch = make(20)
    brief = replace(batch, kind=replace(batch.kind, only=batch.kind.brief))
    head = ["node", "boot", "seq", "window"]
    names = [field.name for field in brief.kind.rows.fields]
    hidden = [column.name for column in batch.kind.columns if not column.row_fields()]
    found = [name for name in brief.to_arrow().column_names if name not in hidden]
    assert found == [*head, *(name for name in names if name not in head)]
    assert len(names) < len(batch.kind.rows.fields)


@MAKERS
def test_a_table_has_the_words_of_json_lines(make: Make) -> None:
    """Under the same names, in the same order; what lines leave out is there, empty."""
    batch = make(50)
    table = batch.to_arrow()
    names = [field.name for field in batch.kind.rows.fields]
    assert [name for name in table.column_names if name in names] == names
    for line, row in zip(batch.rows(), table.to_pylist(), strict=True):
        assert line.pop("kind") == batch.kind.name
        for name, value in line.items():
            assert said(row[name], name) == (within(value) if isinstance(value, dict) else value), name
        assert not [name for name in names if name not in line and present(row[name], name)]


def said(value: Any, name: str) -> Any:
    """As a line has it."""
    if isinstance(value, bytes):
        return address_text(value)
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        return dict(value)
    return f"{value:016x}" if name.endswith(("connection.id", "connection.previous_id")) else value


def within(value: dict[str, Any]) -> dict[str, Any]:
    """A histogram has its sum in a column of its own, and counts say how many there are."""
    return {key: part for key, part in value.items() if key not in ("sum", "count")}


def present(value: Any, name: str) -> bool:
    """Whether a line should have said it: not a word for 0, or what belongs to an end that is not known."""
    words = ("unknown", "none", "open", "complete", "unicast", "0")
    of_unknown_end = name.endswith(("socket.slot", "socket.generation", "seq", "user.id"))
    return bool(value) and value not in words and not of_unknown_end and not empty(value)


def empty(value: Any) -> bool:
    """A histogram without values, an address of zeros."""
    return (isinstance(value, dict) and not value["counts"]) or value == bytes(16)


def test_every_row_says_where_it_comes_from() -> None:
    """So that tables of many batches can be one; columns say their unit and meaning."""
    tables = [make_deltas(3, seq=seq, window=100 + seq, node=f"n{seq}").to_arrow() for seq in range(2)]
    whole = pa.concat_tables(tables)
    assert whole.select(["node", "seq", "window"]).to_pylist() == [
        {"node": f"n{seq}", "seq": seq, "window": 100 + seq} for seq in (0, 0, 0, 1, 1, 1)
    ]
    assert whole.schema.metadata == {b"kind": b"delta"}
    assert whole.schema.field("rtt_ns").metadata == {
        b"unit": b"ns",
        b"meaning": b"smoothed round-trip time, at the window's end",
    }


def test_chains_are_lists_of_hops() -> None:
    """Addresses as text; an empty list where nothing was rewritten."""
    hops = np.zeros(2, HOP)
    hops["destination_port"] = 80, 8080
    batch = make_deltas(2, columns={"nat.index": [1, 0]}).with_tables(
        chains=Chains(np.array([2], np.uint8), hops)
    )
    first, second = batch.to_arrow()["nat"].to_pylist()
    assert [hop["destination.port"] for hop in first] == [80, 8080]
    assert first[0]["source.address"] == "::"
    assert second == []


@MAKERS
def test_parquet_takes_a_table(make: Make) -> None:
    """The format in which most would keep it."""
    table, file = make(20).to_arrow(), io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    assert pyarrow.parquet.read_table(file).to_pylist() == table.to_pylist()


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: whoever never asks for a table does not need it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TailraceError, match=r"Arrow tables need pyarrow: pip install 'tailrace\[arrow\]'"):
        make_deltas(1).to_arrow()


def test_an_empty_batch_is_an_empty_table() -> None:
    """With all columns."""
    table = make_flows(0).to_arrow()
    assert (table.num_rows, "client.tx_bytes" in table.column_names) == (0, True)
