"""Plain rows on their way to sums: their keys, and the histograms that stand in them as lists."""

import numpy as np

from model.arrays import Columns
from model.histogram import Histograms
from store.segments.columns import Lists, Table, rows_of
from store.segments.tables import Stepped


def no_histograms(of: Stepped, count: int) -> Columns:
    """The places of histograms that there are none of."""
    return {f"{measure}.index": np.zeros(count, np.uint32) for measure in of.measures}


def histograms_of(of: Stepped, rows: Table) -> tuple[Histograms, Columns]:
    """The histograms that stand as lists in rows, one table, and their places in it."""
    count = rows_of(rows)
    indexes = no_histograms(of, count)
    parts: list[tuple[np.ndarray, ...]] = []
    for measure in of.measures:
        buckets, counts = rows.get(f"{measure}.buckets"), rows.get(f"{measure}.counts")
        if isinstance(buckets, Lists) and isinstance(counts, Lists):
            lengths = np.diff(buckets.offsets)
            numbers = np.arange(1, count + 1) + len(parts) * count
            indexes[f"{measure}.index"] = np.where(lengths != 0, numbers, 0).astype(np.uint32)
            values = (np.asarray(each.values).astype(np.int64) for each in (buckets, counts))
            parts.append((lengths, *values))
    if not parts:
        return Histograms(), indexes
    lengths, all_buckets, all_counts = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Histograms(np.concatenate(([0, 0], np.cumsum(lengths))), all_buckets, all_counts), indexes


def keyed(keys: Columns) -> tuple[Columns, np.ndarray]:
    """The different keys in order, and which of them each row has."""
    columns = list(keys.values())
    order = np.lexsort(columns[::-1]) if len(columns) > 1 else np.argsort(columns[0])
    ordered = {name: column[order] for name, column in keys.items()}
    changes = np.zeros(len(order), np.bool_)
    for column in ordered.values():
        changes[1:] |= column[1:] != column[:-1]
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(changes)
    changes[0] = True
    return {name: column[changes] for name, column in ordered.items()}, groups
