"""How flows were rewritten, as the table of chains that their rows point to."""

from typing import cast

import numpy as np
import numpy.typing as npt

from actors.join.flow_table import FlowTable
from model.arrays import Columns
from model.chains import Chains


def chain_table(table: FlowTable, columns: Columns) -> Chains:
    """The chains of the flows in the column ``flow``, which is taken out; sets ``nat.index``."""
    flows = cast(npt.NDArray[np.int64], columns.pop("flow"))
    rewrites = table.rewrites[flows]
    rows = np.flatnonzero(rewrites)
    columns["nat.index"][rows] = np.arange(1, len(rows) + 1)
    flows, rewrites = flows[rows], rewrites[rows]
    longer = np.flatnonzero(rewrites > 1)
    between = {
        place: table.between[flow]
        for place, flow in zip(longer.tolist(), flows[longer].tolist(), strict=True)
        if flow in table.between
    }
    return Chains.of(table.called.take(flows), table.final.take(flows), rewrites, between)
