"""What goes into the detector, and what comes out of it: columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

#: Nodes of the graph that a row belongs to, at most.
NODES: Final = 8
#: Seconds that one observation sums up.
TICK_S: Final = 10

_NO_IDS: Final = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class Parts:
    """Traffic of edges, told apart by the nodes of the graph that it belongs to (``actors.detect.nodes``).

    :param ids: ascending, each once; shape (n,), uint64.
    :param edges: the edge of each; shape (n,), uint64.
    :param nodes: ids of its nodes, 0: none; client, server, zones, machines and instances of both; shape (n, NODES),
        uint64.
    :param bad: of each symptom; shape (n, symptoms), float32.
    :param total: good and bad; the same shape.
    """

    ids: np.ndarray
    edges: np.ndarray
    nodes: np.ndarray
    bad: np.ndarray
    total: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Parts":
        """Those at these places, or of this mask."""
        return Parts(*(column[rows] for column in (self.ids, self.edges, self.nodes, self.bad, self.total)))


@dataclass(frozen=True)
class Observations:
    """What was counted at edges in one tick; those without traffic are left out.

    :param ids: ascending, each once (``actors.detect.edges``); shape (n,), uint64.
    :param bad: of each symptom, by its place among them; shape (n, symptoms), float32.
    :param total: good and bad; the same shape.
    :param traffic: bytes in both directions; shape (n,), float32.
    :param parts: the same counts for the nodes; None: nobody asks for nodes.
    """

    ids: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    traffic: np.ndarray
    parts: Parts | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> "Observations":
        """Those at these places, or of this mask."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        ids, parts = self.ids[rows], self.parts
        if parts is not None and len(ids) < len(self.ids):
            parts = parts.take(np.isin(parts.edges, ids))
        return Observations(ids, self.bad[rows], self.total[rows], self.traffic[rows], parts)


def summed(parts: Sequence[Observations]) -> Observations:
    """Several as one, as seconds make a tick.

    :param parts: at least one.
    """
    ids, (bad, total, traffic) = _over(parts, ("bad", "total", "traffic"))
    told = [part.parts for part in parts if part.parts is not None]
    return Observations(ids, bad, total, traffic, _parts(told) if told else None)


def _parts(told: Sequence[Parts]) -> Parts:
    ids, (bad, total) = _over(told, ("bad", "total"))
    _, first = np.unique(np.concatenate([each.ids for each in told]), return_index=True)
    edges, nodes = (
        np.concatenate([getattr(each, name) for each in told])[first] for name in ("edges", "nodes")
    )
    return Parts(ids, edges, nodes, bad, total)


def _over(
    parts: Sequence[Observations] | Sequence[Parts], names: Sequence[str]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Ids, and the sums over them."""
    ids, same = np.unique(np.concatenate([part.ids for part in parts]), return_inverse=True)
    order = np.argsort(same, kind="stable")
    begins = np.flatnonzero(np.diff(same[order], prepend=-1))
    columns = [np.concatenate([getattr(part, name) for part in parts])[order] for name in names]
    return ids, [np.add.reduceat(column, begins, axis=0) if len(begins) else column for column in columns]


@dataclass(frozen=True)
class Known:
    """For what the data of a tick is complete.

    :param all: False: for nothing, whatever ``missing`` says.
    :param missing: ids for which it is not: rows were lost or are late.
    :param unheard: ids whose silence says nothing: who would report them is away.
    """

    all: bool = True
    missing: np.ndarray = field(default_factory=lambda: _NO_IDS)
    unheard: np.ndarray = field(default_factory=lambda: _NO_IDS)

    def heard(self, ids: np.ndarray) -> np.ndarray:
        """Whether each of these is silent if it has no rows; bool."""
        whole = self.of(ids)
        return whole & np.isin(ids, self.unheard, invert=True) if len(self.unheard) else whole

    def of(self, ids: np.ndarray) -> np.ndarray:
        """Whether it is complete for each of these; bool."""
        if not self.all:
            return np.zeros(len(ids), np.bool_)
        if not len(self.missing):
            return np.ones(len(ids), np.bool_)
        return np.isin(ids, self.missing, invert=True)


class State(IntEnum):
    """Where a finding stands."""

    STARTED = 1
    ONGOING = 2
    ENDED = 3


class Event(IntEnum):
    """What is worth a mark on a map, and never an alarm."""

    NEW = 1
    VANISHED = 2
    RETURNED = 3
    MORE = 4
    LESS = 5


@dataclass(frozen=True)
class Findings:
    """What is ill, or was until now; columns of shape (n,).

    :param key: the edge's or node's id; uint64.
    :param symptom: its place among the detector's symptoms; uint8.
    :param state: ``State``; uint8.
    :param share: bad of total since ``since``; float32, as what follows.
    :param expected: the share that is normal.
    :param since: seconds since the epoch, a whole tick; int64.
    :param bad: since then, as far as ``total`` goes.
    :param total: since then; of the latest 65,535 and fewer, if there were more.
    :param certain: False: there is no data that would show how it stands, or it ended for want of traffic.
    :param event_key: of each event; uint64.
    :param event: ``Event``; uint8.
    """

    key: np.ndarray
    symptom: np.ndarray
    state: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    since: np.ndarray
    bad: np.ndarray
    total: np.ndarray
    certain: np.ndarray
    event_key: np.ndarray
    event: np.ndarray

    def __len__(self) -> int:
        return len(self.key)

    def of(self, state: State) -> np.ndarray:
        """The rows in this state."""
        return np.flatnonzero(self.state == state)
