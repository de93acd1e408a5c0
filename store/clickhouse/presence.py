"""Minutes in bits as times without a hole; whole columns at a time."""

from typing import Final

import numpy as np

from store.segments.one_row import HOLE_S

_MINUTE: Final = 60
_FULL: Final = np.uint64((1 << _MINUTE) - 1)


def spans_of(nodes: np.ndarray, begins: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, ...]:
    """Node, first and last second of each time in which a node reported without a hole.

    :param nodes: of each minute, as numbers; shape (n,), int64.
    :param begins: its first second; int64.
    :param bits: of its seconds; uint64.
    """
    whole = bits == _FULL
    parts = np.flatnonzero(~whole)
    each = (bits[parts, np.newaxis] >> np.arange(_MINUTE, dtype=np.uint64) & np.uint64(1)).astype(np.bool_)
    rows, seconds = np.nonzero(each)
    single = begins[parts[rows]] + seconds
    node = np.concatenate((nodes[whole], nodes[parts[rows]]))
    first = np.concatenate((begins[whole], single))
    last = np.concatenate((begins[whole] + _MINUTE - 1, single))
    order = np.lexsort((first, node))
    node, first, last = node[order], first[order], last[order]
    starts = np.ones(len(node), np.bool_)
    starts[1:] = (node[1:] != node[:-1]) | (first[1:] > last[:-1] + HOLE_S)
    at = np.flatnonzero(starts)
    ends = np.append(at[1:], len(node)) - 1 if len(node) else at
    return node[at], first[at], last[ends]
