"""Which reason a flow's row gives its drops, where packets were dropped for several: sums by reason come right."""

from typing import Final

import numpy as np

from actors.join.flow_table import FlowTable

#: Sums of a flow and a reason at once; past it the oldest go, and rows have the reason of the last packet.
LIMIT: Final = 65_536

_SUM: Final = np.dtype([("flow", "<i4"), ("reason", "<u4"), ("id", "<u8"), ("drops", "<i8")])


class DropReasons:
    """What each reason dropped of a flow, less what rows gave it.

    A row has one reason: the one of which most was not told yet. What it tells above that is made up for by later
    rows, so that what a reason got of a flow's drops is never further from the truth than the drops of one row. Of a
    flow with one reason nothing is kept.

    :param table: whose flows have drops (``dropped``) and a reason (``drop``).
    """

    def __init__(self, table: FlowTable) -> None:
        self._table = table
        self._sums = np.zeros(0, _SUM)

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._sums)

    @property
    def reasons(self) -> np.ndarray:
        """The ids that are held; uint32."""
        return np.unique(self._sums["reason"])

    def add(self, flows: np.ndarray, drops: np.ndarray, reasons: np.ndarray) -> None:
        """These were dropped; a flow may be named several times."""
        new = np.zeros(len(flows), _SUM)
        new["flow"], new["reason"], new["drops"] = flows, reasons, drops
        new["id"] = self._table.id[flows]
        there = self._table.used[self._sums["flow"]] & (
            self._table.id[self._sums["flow"]] == self._sums["id"]
        )
        both = np.concatenate((self._sums[there], new))
        keys = both["flow"].astype(np.uint64) << np.uint64(32) | both["reason"]
        _, first, same = np.unique(keys, return_index=True, return_inverse=True)
        sums = both[first]
        sums["drops"] = 0
        np.add.at(sums["drops"], same.reshape(-1), both["drops"])
        self._sums = sums[np.argsort(first, kind="stable")][-LIMIT:]

    def settle(self, flows: np.ndarray) -> None:
        """Gives these flows, of which rows are made now, the reason of their row."""
        if not len(self._sums):
            return
        here = np.flatnonzero(np.isin(self._sums["flow"], flows))
        here = here[self._table.dropped[self._sums["flow"][here]] != 0]
        most = here[np.lexsort((-self._sums["drops"][here], self._sums["flow"][here]))]
        _, first = np.unique(self._sums["flow"][most], return_index=True)
        told = most[first]
        chosen = self._sums["flow"][told]
        self._table.drop[chosen] = self._sums["reason"][told]
        self._sums["drops"][told] -= self._table.dropped[chosen].astype(np.int64)
        self._sums = self._sums[self._sums["drops"] != 0]
