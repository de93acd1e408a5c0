"""Columns of rows as numpy arrays, and the tables that some of them point into."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
#: Column name -> one value for each row.
Columns = dict[str, Array]
#: Table name -> what index columns point into.
Tables = Mapping[str, Any]


def compacted(indexes: list[Array], count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """``indexes`` renumbered without gaps, and the old numbers of the new ones, ascending; 0 stays first.

    :param indexes: of any shapes, all below ``count``.
    :return: uint32 arrays of the same shapes; int64.
    """
    marked = np.zeros(max(1, count), np.bool_)
    marked[0] = True
    for index in indexes:
        marked[index] = True
    renumbered = (np.cumsum(marked) - 1).astype(np.uint32)
    return [renumbered[index] for index in indexes], np.flatnonzero(marked)
