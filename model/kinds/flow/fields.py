"""What columns of a flow's end become in rows, where that depends on whether the end is known."""

import numpy as np

from model.arrays import Columns, Tables
from model.column import where
from model.kinds.delta.fields import slots
from model.rows import values as row_values
from model.rows.fields import ALWAYS, Field, Values


def known(columns: Columns, end: str) -> np.ndarray:
    """Of which rows an end's socket is known; every socket has a network namespace. Shape (n,), bool.

    :param end: ``client.`` or ``server.``.
    """
    reported, netns = _told(end)
    marked: np.ndarray = (columns[reported] != 0) | (columns[netns] != 0)
    return marked


def _told(end: str) -> tuple[str, str]:
    """The columns that tell whether an end's socket is known."""
    return f"{end}reported", f"{end}netns.id"


def end_slots(name: str) -> tuple[Field, ...]:
    """Of a socket that is known; nothing where it was counted without one."""
    end = name.removesuffix("socket.slot")

    def values(columns: Columns, _: Tables) -> Values:
        return row_values.only(slots(columns[name]), known(columns, end))

    return (Field(name, values, ALWAYS, (name, *_told(end))),)


def end_generations(name: str) -> tuple[Field, ...]:
    """Of a socket that is known."""
    end = name.removesuffix("socket.generation")
    return (where(name, lambda columns: known(columns, end), *_told(end)),)


def end_seqs(name: str) -> tuple[Field, ...]:
    """Of an end that reports."""
    reported = f"{name.removesuffix('seq')}reported"
    return (where(name, lambda columns: columns[reported] != 0, reported),)
