"""Why packets of edges were dropped in the last ticks, in the kernels' own words."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from actors.trouble.by_edge import MOST, CountsByEdge
from actors.trouble.leaf_keys import name_of
from actors.trouble.recent import TICKS
from actors.workloads.ends import Ends, joined, one_table
from model.batch import Batch
from model.kinds.drop import Dropped, why_text
from model.kinds.flow import FLOW, SIDES
from model.kinds.workload.names import WorkloadNames

#: Fewer packets are no reason, nor are fewer than this part of what is bad.
_LEAST: Final = 5
_PART: Final = 0.1
#: A reason is told for so much of the packets.
_TOLD: Final = 0.2


class DropKey(NamedTuple):
    """Packets that are counted together.

    :param edge: as ``edge_text`` writes it.
    :param netns: of the namespace that dropped them; empty: it is not known.
    """

    edge: str
    category: str
    reason: str
    hook: str
    node: str
    netns: str


class Drops(CountsByEdge[DropKey]):
    """A window of the last ticks."""

    def __init__(self, ticks: int = TICKS, most: int = MOST) -> None:
        super().__init__(ticks, most)
        self._names = WorkloadNames()

    def add(self, batches: Iterable[Batch]) -> None:
        """Batches of a second; those of flows say what was dropped of them, and why."""
        some = [few for batch in batches if batch.kind is FLOW and (few := _dropped(batch)) is not None]
        if not some:
            return
        client, server = (Ends(some, side, self._names) for side in SIDES)
        why, reason = one_table(some, "dropped", "drop.index")
        port, packets = joined(some, "server.port"), joined(some, "dropped_segments")
        rows = np.stack((client.ids, server.ids, port.astype(np.int64), reason.astype(np.int64)), axis=1)
        different, same = np.unique(rows, axis=0, return_inverse=True)
        sums = np.bincount(same.reshape(-1), packets, len(different))
        most = np.argsort(-sums, kind="stable")[: self._most]
        self.left_out += len(different) - len(most)
        names = [
            [name_of((each.kind, each.namespace, each.name)) for each in ends.workloads(different[most, at])]
            for at, ends in enumerate((client, server))
        ]
        for place, row in enumerate(most.tolist()):
            edge = f"{names[0][place]} > {names[1][place]}:{different[row, 2]}"
            self._now[_key(edge, Dropped(*why[int(different[row, 3])]))] += int(sums[row])

    def words(self, edges: Set[str], ticks: int, bad: float) -> str:
        """Why packets of these edges were dropped; empty: hardly any were.

        :param ticks: how many of the last.
        :param bad: how many were bad, of whatever that may explain.
        """
        packets = self.of(edges, ticks)
        kinds: Counter[tuple[str, ...]] = Counter()
        for key, count in packets.items():
            kinds[key[1:4]] += count
        if kinds.total() < max(_LEAST, _PART * bad):
            return ""
        told = [
            _words(kind, [key for key in packets if key[1:4] == kind], count)
            for kind, count in kinds.most_common(2)
            if count >= _TOLD * kinds.total()
        ]
        return "; ".join(told)


def _dropped(batch: Batch) -> Batch | None:
    """Flows of which packets were dropped, with a reason; None: there are none."""
    rows = np.flatnonzero((batch.columns["dropped_segments"] != 0) & (batch.columns["drop.index"] != 0))
    if not len(rows):
        return None
    return replace(batch, columns={name: column[rows] for name, column in batch.columns.items()})


def _key(edge: str, why: Dropped) -> DropKey:
    return DropKey(edge, why.category, why.reason, why.hook, why.node, why.netns)


def _words(kind: Sequence[str], keys: Sequence[DropKey], packets: int) -> str:
    """``by netfilter in namespace 4026532301 of node-7, chain FORWARD (12 packets)``."""
    category, reason, hook = kind
    nodes = sorted({key.node for key in keys})
    places = sorted({(key.node, key.netns) for key in keys if key.netns})
    on = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
    where = f"on {on}"
    if places:
        where = (
            f"in {f'namespace {places[0][1]}' if len(places) == 1 else f'{len(places)} namespaces'} of {on}"
        )
    chain = f", chain {hook}" if hook else ""
    return f"{why_text(category, reason)} {where}{chain} ({packets:,} packet{'' if packets == 1 else 's'})"
