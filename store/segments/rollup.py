"""Rows in steps sorted, put together, and rolled up to longer steps: exact in sums and counts."""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from model.histogram import Histograms
from store.ids import mixed_ids
from store.segments.columns import Column, Lists, Table, joined, rows_of, taken
from store.segments.tables import Stepped

#: Lower bits of an id that may be left out.
_SPREAD_BITS: Final = 24


def together(tables: Sequence[Table]) -> dict[str, Column]:
    """One table of all rows.

    :param tables: of the same columns; at least one.
    """
    return {name: joined([table[name] for table in tables]) for name in tables[0]}


def moved_together(tables: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """As ``together``; what it is made of is let go column by column, so that not both are in memory.

    Columns that are one in every table are one.
    """
    of: dict[tuple[int, ...], str] = {}
    first = {name: of.setdefault(tuple(id(table[name]) for table in tables), name) for name in tables[0]}
    made: dict[str, Column] = {}
    for name, same in first.items():
        parts = [table.pop(name) for table in tables]
        made[name] = joined(parts) if same == name else made[same]
    return made


def rolled_up(of: Stepped, rows: Table, step_s: int) -> dict[str, Column]:
    """One row for each id and step, in that order.

    Of steps of a second all is added; of longer ones the largest number of active connections is kept.

    :param rows: of that table, in any order, of steps of which ``step_s`` is a multiple.
    """
    ordered = in_order(of, rows)
    ids, begins = numbers(ordered, of.id), numbers(ordered, "begin_s") // step_s * step_s
    ordered["begin_s"] = begins
    changes = np.ones(len(ids), np.bool_)
    changes[1:] = (ids[1:] != ids[:-1]) | (begins[1:] != begins[:-1])
    starts = np.flatnonzero(changes)
    if len(starts) == len(ids):
        return ordered
    return _grouped(of, ordered, starts, np.cumsum(changes), np.add if step_s == 1 else np.maximum)


def in_order(of: Stepped, rows: Table) -> dict[str, Column]:
    """The same rows by their id, and those of one id by their step."""
    ids, begins = numbers(rows, of.id), numbers(rows, "begin_s")
    if _is_ordered(ids, begins):
        return dict(rows)
    order = _order(ids, begins)
    made: dict[int, Column] = {}  # a column that has several names is ordered once
    for column in rows.values():
        if id(column) not in made:
            made[id(column)] = taken(column, order)
    return {name: made[id(column)] for name, column in rows.items()}


def numbers(table: Table, name: str) -> np.ndarray:
    """A column of numbers."""
    return cast(np.ndarray, table[name])


def _is_ordered(ids: np.ndarray, begins: np.ndarray) -> bool:
    """By id, then by step."""
    same = ids[1:] == ids[:-1]
    return bool(((ids[1:] > ids[:-1]) | same & (begins[1:] >= begins[:-1])).all())


def _order(ids: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """What brings rows into that order: by one number for each, the upper bits of its id and its step.

    Ids are spread over all their bits: that two differ in the lower ones alone is next to never so.
    """
    first = int(begins.min())
    bits = (int(begins.max()) - first).bit_length()
    if bits < _SPREAD_BITS:
        order = np.argsort(ids >> bits << bits | (begins - first).astype(np.int64))
        if _is_ordered(ids[order], begins[order]):
            return order
    return np.lexsort((begins, ids))


def has_doubles(of: Stepped, rows: Table) -> bool:
    """Whether an id has several rows of a step."""
    ids, begins = numbers(rows, of.id), numbers(rows, "begin_s")
    one = len(begins) and begins.min() == begins.max()
    keys = np.sort(ids if one else mixed_ids(ids, begins))
    return bool((keys[1:] == keys[:-1]).any())


def _grouped(
    of: Stepped, rows: Table, starts: np.ndarray, groups: np.ndarray, over_most: np.ufunc
) -> dict[str, Column]:
    """One row for each group.

    :param starts: where each group begins.
    :param groups: the number of each row's group, from 1.
    """
    made: dict[str, Column] = {name: numbers(rows, name)[starts] for name in of.key}
    over = (
        (["first_s"], np.minimum),
        (["last_s"], np.maximum),
        ([name for name in of.named("most") if name != "last_s"], over_most),
        (of.named("sum"), np.add),
    )
    for names, reduce in over:
        for name in names:
            values = numbers(rows, name)
            type_ = np.uint64 if reduce is np.add else None  # sums are wider than what they are of
            made[name] = (
                reduce.reduceat(values, starts, dtype=type_) if values.any() else values[: len(starts)]
            )
    for measure in of.measures:
        made |= _merged(rows, measure, groups, len(starts))
    return {name: made[name] for name in rows}


def _merged(rows: Table, measure: str, groups: np.ndarray, count: int) -> dict[str, Column]:
    """The histograms of groups."""
    buckets = cast(Lists, rows[f"{measure}.buckets"])
    counts = cast(Lists, rows[f"{measure}.counts"])
    begins = np.concatenate(([0], buckets.offsets))
    table = Histograms(begins, _wide(buckets), _wide(counts))
    summed = table.summed(np.concatenate(([0], groups)), count + 1)
    return {
        f"{measure}.buckets": Lists(summed.begins[1:], summed.buckets.astype("<i2")),
        f"{measure}.counts": Lists(summed.begins[1:], summed.counts.astype("<u8")),
    }


def _wide(lists: Lists) -> np.ndarray:
    return cast(np.ndarray, lists.values).astype(np.int64)


def spans(table: Table, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different values of ``groups``, and the least ``first_s`` and most ``last_s`` of each."""
    if not rows_of(table):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    first, last = numbers(table, "first_s"), numbers(table, "last_s")
    if not (groups[1:] >= groups[:-1]).all():
        order = np.argsort(groups, kind="stable")
        groups, first, last = groups[order], first[order], last[order]
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    return groups[starts], np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)
