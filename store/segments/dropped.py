"""Why packets of flows were dropped, as rows of the store; whole columns at a time."""

from typing import Final

import numpy as np

from model.batch import Batch
from model.kinds.drop import Dropped
from store.ids import Names, mixed_ids
from store.measures import DROP_PARTS
from store.segments.columns import Column

#: Bits of a cause's id that are its own; those above are of its edge: rows of one edge lie together.
_OWN_BITS: Final = 40


def cause_ids(flows: Batch, edges: np.ndarray, names: Names) -> np.ndarray:
    """Of each flow; above 0, int64.

    Two of 1,000 causes of an edge have the same id with a probability of 1 in 2 million.

    :param edges: the id of each flow's edge.
    """
    texts = names.ids([("drop", *_parts(dropped)) for dropped in flows.tables["dropped"]])
    own = mixed_ids(edges, texts[flows.columns["drop.index"]])
    found: np.ndarray = np.maximum(edges >> _OWN_BITS << _OWN_BITS | own & ((1 << _OWN_BITS) - 1), 1)
    return found


def cause_rows(flows: Batch, rows: np.ndarray) -> dict[str, Column]:
    """What the causes of some flows are (``DROP_PARTS``)."""
    table = flows.tables["dropped"]
    found = [_parts(table[place]) for place in flows.columns["drop.index"][rows].tolist()]
    return {name: [parts[place] for parts in found] for place, name in enumerate(DROP_PARTS)}


def drop_rows(flows: Batch, causes: np.ndarray) -> dict[str, Column]:
    """Packets of each flow, in the second of its row.

    A row has one cause; where a flow has several, sums of its rows are right but for the drops of one row.
    """
    seconds = flows.window - flows.columns["window.late_s"].astype(np.int64)
    times = dict.fromkeys(("begin_s", "first_s", "last_s"), seconds)
    return {"cause": causes, **times, "dropped_segments": flows.columns["dropped_segments"]}


def _parts(dropped: Dropped) -> tuple[str, ...]:
    """Without the network namespace, of which a machine may have had very many."""
    return tuple(getattr(dropped, name) for name in DROP_PARTS)
