"""Columns in which nothing stands: known without a look, and the same to whoever reads them."""

import numpy as np
import pytest

from model.arrays import Columns, concatenated, holds, is_nothing, lean, taken, zeros
from model.message import decode
from tailrace.testing.deltas import make_deltas

U8 = np.dtype("<u8")


def test_a_column_that_a_message_has_empty_stays_known_as_nothing() -> None:
    """Parts, rows and sums of such columns are zeros of the right number, and are known as nothing again."""
    batch = decode(make_deltas(10, columns={"lost_segments": 0}).encode())
    column = batch.columns["lost_segments"]
    for made, rows in (
        (column, 10),
        (column[2:5], 3),
        (taken(column, np.array([7, 7, 1])), 3),
        (concatenated([column, column[:4]]), 14),
    ):
        assert is_nothing(made)
        assert made.dtype == U8
        assert made.tolist() == [0] * rows


def test_a_column_with_one_value_is_copied_whole() -> None:
    """A part that is nothing does not make the rest so."""
    some = np.array([0, 5], U8)
    assert concatenated([zeros(2, U8), some]).tolist() == [0, 0, 0, 5]
    assert taken(some, np.array([1, 0])).tolist() == [5, 0]
    assert not any(map(is_nothing, (some, taken(some, np.array([0])), concatenated([zeros(1, U8), some]))))


def test_nobody_writes_to_nothing() -> None:
    """It is shared by all that have nothing."""
    with pytest.raises(ValueError, match="read-only"):
        zeros(3, U8)[1] = 1


def test_more_rows_than_are_shared_are_zeros_too() -> None:
    """A window may have any number of rows."""
    many = zeros(1 << 20, np.dtype("S16"))
    assert len(many) == 1 << 20
    assert not many.view(np.uint8).any()


@pytest.mark.parametrize("place", [0, 511, 512, 9_999])
def test_one_value_anywhere_is_seen(place: int) -> None:
    """The look at the first bytes is not the last one."""
    some = np.zeros(10_000, U8)
    assert not holds(some)
    some[place] = 1
    assert holds(some)
    assert not is_nothing(lean({"x": some})["x"])


def test_columns_become_lean_without_a_change_of_what_they_say() -> None:
    """Also what is no contiguous piece of memory."""
    columns: Columns = {
        "none": np.zeros(20, U8),
        "some": np.arange(20, dtype=U8),
        "odd": np.zeros(40, U8)[::2],
    }
    made = lean(columns)
    assert {name for name, column in made.items() if is_nothing(column)} == {"none", "odd"}
    assert {name: column.tolist() for name, column in made.items()} == {
        name: column.tolist() for name, column in columns.items()
    }
