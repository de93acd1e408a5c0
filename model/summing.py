"""Rows of several seconds summed up: one row for each key, whole columns at a time."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from model.arrays import Array, Columns
from model.batch import Batch
from model.column import Column
from model.dictionary import Dictionary
from model.histogram import Histograms
from model.kind import Kind
from model.tables import HISTOGRAM


def summed(batches: Sequence[Batch]) -> Batch:
    """Batches of one kind and source as one, in which each key has one row: what ``Column.over`` says of each column.

    The window is the first of them. A kind without a key is put together, and not summed up.

    :param batches: at least one, the oldest first.
    """
    kind, first = batches[0].kind, batches[0]
    columns, tables = _together(kind, batches)
    window = min(batch.window for batch in batches)
    whole = replace(first, window=window, columns=columns, chunk=0, chunks=1, head=batches[-1].head)
    whole = whole.with_tables(**tables)
    if not kind.key or not len(whole):
        return whole.compacted() if kind.tables else whole
    groups = _groups(whole)
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    made = {column.name: _over(column, columns[column.name][order], begins) for column in kind.columns}
    merged = _merged(whole, groups, len(begins), made)
    return replace(whole, columns=made).with_tables(**merged).compacted()


def _together(kind: Kind, batches: Sequence[Batch]) -> tuple[Columns, dict[str, Any]]:
    """All rows, and tables that hold what they point to."""
    shifts: dict[str, list[int]] = {}
    tables = {}
    for name, table in kind.tables.items():
        tables[name], shifts[name] = table.type.joined([batch.tables[name] for batch in batches])
    columns = {}
    for column in kind.columns:
        parts = [batch.columns[column.name] for batch in batches]
        if column.table:
            by = shifts[column.table.name]
            parts = [_shifted(part, shift) for part, shift in zip(parts, by, strict=True)]
        columns[column.name] = np.concatenate(parts)
    return columns, tables


def _shifted(index: np.ndarray, shift: int) -> Array:
    """Places in a table that stands behind another one; 0 stays."""
    return np.where(index == 0, 0, index + np.uint32(shift)).astype(np.uint32)


def _groups(batch: Batch) -> np.ndarray:
    """The number of each row's key, from 0 without gaps."""
    groups = np.zeros(len(batch), np.int64)
    for name in batch.kind.key:
        column = batch.kind.column(name)
        values = batch.columns[name]
        if column.table:
            values = _same(batch.tables[column.table.name])[values]
        numbers = np.unique(values, return_inverse=True)[1]
        groups = groups * (int(numbers.max(initial=0)) + 1) + numbers
        groups = np.unique(groups, return_inverse=True)[1]
    return groups


def _same(table: Sequence[Hashable]) -> np.ndarray:
    """The same number for entries that are the same."""
    return Dictionary(table[0], len(table) + 1).ids(table)


def _over(column: Column, values: Array, begins: np.ndarray) -> Array:
    """One value for each group; those of a group stand beside each other, the newest last.

    :param begins: where each group begins.
    """
    if column.over == "sum":
        total: Array = np.add.reduceat(values, begins, dtype=values.dtype)
        return total
    if column.over == "most":
        most: Array = np.maximum.reduceat(values, begins)
        return most
    ends = np.append(begins[1:], len(values)) - 1
    if column.over == "known" and values.dtype.kind in "iufS":
        there = values != values.dtype.type()
        last = np.maximum.reduceat(np.where(there, np.arange(len(values)), -1), begins)
        ends = np.where(last < 0, ends, last)
    newest: Array = values[ends]
    return newest


def _merged(batch: Batch, groups: np.ndarray, count: int, made: Columns) -> dict[str, Histograms]:
    """Histograms of groups, to which the columns of ``made`` point."""
    tables = {}
    for table, names in batch.kind.indexes.items():
        if batch.kind.tables[table].type is not HISTOGRAM:
            continue
        old: Histograms = batch.tables[table]
        of = np.zeros(len(old), np.int64)
        for place, name in enumerate(names):
            of[batch.columns[name]] = groups + 1 + place * count
        of[0] = 0
        tables[table] = old.summed(of, len(names) * count + 1)
        held = np.diff(tables[table].begins) != 0
        for place, name in enumerate(names):
            numbers = np.arange(1, count + 1) + place * count
            made[name] = np.where(held[numbers], numbers, 0).astype(np.uint32)
    return tables
