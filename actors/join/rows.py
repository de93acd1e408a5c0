"""Delta rows of one window on their way through the joiner."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from model.arrays import Columns, taken
from model.chains import HOP, Chains
from model.kinds.delta import DELTA
from model.queries import Queries
from model.requests import Requests


@dataclass(frozen=True)
class Rows:
    """Delta rows of one window, of any nodes, with numbers that hold in the joiner.

    :param columns: of the delta schema; ``cgroup.index`` is the joiner's.
    :param node: the joiner's number of the node of each row.
    :param crc: a number of the node that holds everywhere.
    :param seq: of the delta message of each row.
    :param chains: what ``nat.index`` points into.
    :param requests: what ``requests.index`` points into.
    :param queries: what ``queries.index`` points into.
    """

    columns: Columns
    node: np.ndarray
    crc: np.ndarray
    seq: np.ndarray
    chains: Chains
    requests: Requests = field(default_factory=Requests)
    queries: Queries = field(default_factory=Queries)

    def __len__(self) -> int:
        return len(self.node)

    def take(self, rows: np.ndarray, names: Iterable[str] = DELTA.types) -> "Rows":
        """Some of them, with these columns of theirs."""
        if len(rows) == len(self):
            return self
        columns = {name: taken(self.columns[name], rows) for name in names}
        return replace(
            self,
            columns=columns,
            node=self.node.take(rows),
            crc=self.crc.take(rows),
            seq=self.seq.take(rows),
        )

    def hops(self) -> np.ndarray:
        """The resolved tuples; ``HOP``."""
        hops = np.empty(len(self), HOP)
        for part in ("address", "port"):
            hops[f"source_{part}"] = self.columns[f"connection.source.{part}"]
            hops[f"destination_{part}"] = self.columns[f"connection.destination.{part}"]
        return hops
