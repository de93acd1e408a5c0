"""What tables of groups have in common: things that rows point to by group, in columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.arrays import Array, Columns


def places_of(begins: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The things of these groups, one group after the other, and how many each has.

    :param begins: where the things of each group begin, and the end of the last; shape (groups + 1,), int64.
    """
    lengths = begins[groups + 1] - begins[groups]
    firsts = np.cumsum(lengths) - lengths
    places = np.repeat(begins[groups] - firsts, lengths) + np.arange(int(lengths.sum()))
    return places, lengths


def shifted(places: Array, shift: int) -> Array:
    """Places but the first, moved behind what stands before them."""
    return np.where(places, np.add(places, np.uint32(shift)), np.uint32(0))


def decoded_columns(
    message: Mapping[str, Any], types: Mapping[str, str], defaults: Mapping[str, int], begins: np.ndarray
) -> Columns:
    """The columns of all groups; one that is not there has zeros, or its default.

    :raises ValueError: if the groups do not follow each other, or a column has another length.
    """
    if len(begins) < 2 or begins[0] != 0 or (np.diff(begins) < 0).any():
        raise ValueError("groups that do not follow each other")
    rows = int(begins[-1])
    columns: Columns = {}
    for name, kind in types.items():
        data = message.get(name)
        column = np.full(rows, defaults.get(name, 0), kind) if data is None else np.frombuffer(data, kind)
        if len(column) != rows:
            raise ValueError(f"{len(column)} things in groups, not {rows}")
        columns[name] = column
    return columns


def check_places(columns: Columns, lengths: Mapping[str, int]) -> None:
    """Whether columns that are places stay within their tables.

    :raises ValueError: if one does not.
    """
    for name, length in lengths.items():
        if len(columns[name]) and int(columns[name].max()) >= length:
            raise ValueError(f"{name} of groups points beyond {length}")
