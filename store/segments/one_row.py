"""Rows of one key become one, in the tables beside those of edges; pure."""

from typing import Final

import numpy as np

from store.segments.columns import Column, Lists, Table, rows_of, taken
from store.segments.tables import PRESENCE
from store.segments.tables import Table as Kind

#: A hole of so many seconds in a node's reports is one.
HOLE_S: Final = 3

_OVER: Final = {"sum": np.add, "most": np.maximum, "least": np.minimum, "any": np.maximum}


def one_row_each(kind: Kind, table: Table) -> dict[str, Column]:
    """A row for each key, in their order; of a node's presence a row for each time without a hole.

    Of texts that differ the greatest stays, of lists those of the first row.
    """
    count = rows_of(table)
    if not count:
        return dict(table)
    keys = [_numbered(table[name]) for name in kind.key]
    if kind is PRESENCE:
        keys[-1] = np.asarray(table["first_s"])
    order = np.lexsort(keys[::-1])
    ordered = {name: taken(column, order) for name, column in table.items()}
    if kind is PRESENCE:
        ordered["begin_s"] = _begins(keys[:-1], order, ordered)
        keys[-1] = np.empty(count, np.int64)
        keys[-1][order] = np.asarray(ordered["begin_s"])
    changes = np.zeros(count, np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    starts = np.flatnonzero(changes)
    if len(starts) == count:
        return ordered
    return {each.name: _of_groups(ordered[each.name], each.over, starts) for each in kind.columns}


def _numbered(column: Column) -> np.ndarray:
    """Numbers in the order of a key's values."""
    if isinstance(column, list):
        different = {text: place for place, text in enumerate(sorted(set(column)))}
        return np.array([different[text] for text in column], np.int64)
    assert isinstance(column, np.ndarray)
    return column


def _begins(nodes: list[np.ndarray], order: np.ndarray, ordered: Table) -> np.ndarray:
    """The first second of the time without a hole that each row belongs to; rows are in order of node and second."""
    first, last = np.asarray(ordered["first_s"]), np.asarray(ordered["last_s"])
    begins, until = np.empty(len(order), np.int64), -1
    changes = np.zeros(len(order), np.bool_)
    for node in nodes:
        changes[1:] |= node[order][1:] != node[order][:-1]
    rows = zip(changes.tolist(), first.tolist(), last.tolist(), strict=True)
    begin = 0
    for place, (other, since, to) in enumerate(rows):
        if place == 0 or other or since > until + HOLE_S:
            begin, until = since, to
        until = max(until, to)
        begins[place] = begin
    return begins


def _of_groups(column: Column, over: str, starts: np.ndarray) -> Column:
    if isinstance(column, Lists) or over == "key":
        return taken(column, starts)
    if isinstance(column, list):
        ends = [*starts[1:].tolist(), len(column)]
        return [max(column[begin:end]) for begin, end in zip(starts.tolist(), ends, strict=True)]
    wide = column.astype(np.int64) if over == "sum" else column
    reduced: np.ndarray = _OVER[over].reduceat(wide, starts)
    return reduced
