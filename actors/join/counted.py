"""What both ends counted of the requests of flows: an entry for each kind of request of each end, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.join.flow_table import CLIENT_SIDE, SERVER_SIDE, FlowTable
from model.arrays import Array, Columns
from model.histogram import Histograms
from model.kinds.flow import SIDES
from model.kinds.request import ENDS, GRPC_ERRORS, SERVER_ERRORS, SHARED
from model.queries import Queries
from model.requests import Requests

#: Columns that the joiner carries beside those of flows: groups of requests of the clients, of the servers.
GROUPS: Final = tuple(f"{side}.requests.index" for side in SIDES)


@dataclass(frozen=True)
class Counted:
    """Entries of the ends of flows.

    :param flow: the row of its flow; shape (n,), as all others.
    :param side: ``CLIENT_SIDE`` or ``SERVER_SIDE``.
    :param counts: whether this end is the one that counts for its flow; bool.
    :param columns: ``model.requests.TYPES``.
    """

    flow: np.ndarray
    side: np.ndarray
    counts: np.ndarray
    columns: Columns

    def __len__(self) -> int:
        return len(self.flow)

    @property
    def failed(self) -> np.ndarray:
        """Without an answer, or failed by the server; bool."""
        status = self.columns["status"]
        failed: np.ndarray = (status == 0) | np.greater_equal(status, SERVER_ERRORS)
        return failed | np.isin(self.columns["grpc_status"], GRPC_ERRORS)

    @property
    def own(self) -> "Counted":
        """Without those that tell of what was passed on, which are among the others already."""
        return self.take(np.flatnonzero(self.columns["upstream"] == 0))

    def take(self, entries: np.ndarray) -> "Counted":
        """Some of them."""
        columns = {name: column[entries] for name, column in self.columns.items()}
        return Counted(self.flow[entries], self.side[entries], self.counts[entries], columns)

    def sums(self, values: Array, groups: np.ndarray, count: int) -> np.ndarray:
        """Of the entries that count, exact, by group; uint64."""
        found = np.zeros(count, np.uint64)
        np.add.at(found, groups[self.counts], values[self.counts])
        return found


def counted(
    flows: Columns, groups: Requests | Queries, table: FlowTable, names: Sequence[str] = GROUPS
) -> Counted:
    """The entries of some rows of flows, those of earlier seconds first; decides who counts for flows that are new.

    :param flows: ``names``, and ``flow``: places in the table.
    :param names: columns that point into the groups, of the clients and of the servers.
    """
    rows, sides, places = [], [], []
    for side, name in enumerate(names):
        held = np.flatnonzero(flows[name])
        found, lengths = groups.places(flows[name][held])
        rows.append(np.repeat(held, lengths))
        sides.append(np.full(len(found), side, np.int64))
        places.append(found)
    row, end = np.concatenate(rows), np.concatenate(sides)
    whole = np.concatenate(places)
    columns = {name: column[whole] for name, column in groups.columns.items()}
    flow = np.asarray(flows["flow"], np.int64)
    _decide(flow, row, end, table)
    return Counted(row, end, table.counts[flow[row]] == 1 + end, columns)


def _decide(flow: np.ndarray, row: np.ndarray, side: np.ndarray, table: FlowTable) -> None:
    """Who counted first counts for the flow from then on; the client, if both did in one second.

    An end may see nothing of a connection's requests, because it is encrypted there or nobody looks; and the server
    sees an answer up to a second before its client does.
    """
    called = np.zeros(len(flow), np.bool_)
    called[row[side == CLIENT_SIDE]] = True
    new = np.unique(row[table.counts[flow[row]] == 0])
    flows, first = np.unique(flow[new], return_index=True)
    table.counts[flows] = 1 + np.where(called[new[first]], CLIENT_SIDE, SERVER_SIDE)


def fill_flows(columns: Columns, entries: Counted) -> None:
    """How many requests each flow had, how many failed, and how long they took."""
    count, values = len(columns["requests"]), entries.columns
    columns["requests"] = entries.sums(values["requests"], entries.flow, count)
    columns["requests.duration_ns"] = entries.sums(values["latency_ns"], entries.flow, count)
    failed = np.where(entries.failed, values["requests"], np.uint64(0))
    columns["requests.failed"] = entries.sums(failed, entries.flow, count)


def shared_columns(flows: Columns, rows: np.ndarray) -> Columns:
    """What rows of requests and of queries have of their flows."""
    names = (*SHARED, *(f"{side}.{name}" for side in SIDES for name in ENDS))
    return {name: flows[name].take(rows) for name in names}


def durations_of(
    columns: Columns,
    names: Sequence[str],
    entries: Counted,
    numbers: np.ndarray,
    count: int,
    table: Histograms,
) -> Histograms:
    """Sets where the histogram of each row and end is; returns the table of them.

    :param names: of the columns, of the clients and of the servers.
    :param numbers: the row of each entry.
    :param table: that entries point into.
    """
    groups = np.zeros(len(table), np.int64)
    groups[entries.columns["histogram"]] = numbers + 1 + entries.side * count
    groups[0] = 0
    summed = table.summed(groups, 2 * count + 1)
    held = np.diff(summed.begins) != 0
    for side, name in enumerate(names):
        places = np.arange(1, count + 1) + side * count
        columns[name] = np.where(held[places], places, 0)
    return summed
