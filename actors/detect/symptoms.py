"""Symptoms: each is *bad of total*, and one line here. Where the counts come from, and from when on it is one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.arrays import Columns

#: One number for each row, of a batch's columns.
Counts = Callable[[Columns], np.ndarray]

#: Codes of gRPC by which the server, or the way to it, says that it failed.
_FAILURES: Final = (2, 4, 8, 12, 13, 14, 15)


def _sum(*names: str) -> Counts:
    """The sum of these columns."""

    def counts(columns: Columns) -> np.ndarray:
        total = np.zeros(len(columns[names[0]]))
        for name in names:
            total += columns[name].astype(np.float64)
        return total

    return counts


def _grpc(columns: Columns) -> np.ndarray:
    return np.where(columns["rpc.system"] == b"grpc", columns["requests"], 0)


def grpc_failed(columns: Columns) -> np.ndarray:
    """Calls of gRPC that failed, of rows of endpoints."""
    return np.where(np.isin(columns["rpc.grpc.status_code"], _FAILURES), _grpc(columns), 0)


@dataclass(frozen=True)
class Ratio:
    """Bad ones and all, as columns of rows say them.

    :param kind: the name of the rows' kind.
    """

    kind: str
    bad: Counts
    total: Counts


@dataclass(frozen=True)
class Above:
    """Values of a histogram of workload rows above the pair's own habit (``actors.detect.habits``)."""

    measure: str


@dataclass(frozen=True)
class Symptom:
    """One way in which an edge can be ill.

    :param floor: no share below it is taken for normal.
    :param odds: ill is a share whose odds are so many times the normal ones,
    :param least: and that is higher by so much.
    :param least_bad: so many bad ones make a finding.
    """

    name: str
    source: Ratio | Above
    floor: float
    odds: float
    least: float
    least_bad: float


#: Their places are their codes in findings; state that was kept goes by their names.
SYMPTOMS: Final = (
    Symptom(
        "failed connects",
        Ratio("workload", _sum("connections.failed"), _sum("connections.opened", "connections.failed")),
        *(2e-3, 3.0, 0.05, 5.0),
    ),
    Symptom(
        "retransmitted segments",
        Ratio("workload", _sum("retransmitted_segments"), _sum("sent_segments")),
        *(2e-3, 3.0, 0.02, 30.0),
    ),
    Symptom(
        "lost datagrams",
        Ratio("workload", _sum("datagrams.lost"), _sum("datagrams")),
        *(5e-3, 3.0, 0.05, 30.0),
    ),
    Symptom(
        "dropped datagrams",
        Ratio("workload", _sum("datagrams.dropped"), _sum("datagrams")),
        *(2e-3, 3.0, 0.02, 30.0),
    ),
    Symptom("slow connects", Above("connect_latency_ns"), 0.02, 3.0, 0.15, 10.0),
    Symptom("slow round trips", Above("rtt_ns"), 0.02, 3.0, 0.15, 10.0),
    Symptom(
        "reset connections",
        Ratio("workload", _sum("connections.closed.reset"), _sum("connections.closed")),
        *(5e-3, 3.0, 0.1, 8.0),
    ),
    Symptom(
        "failed requests",
        Ratio("workload", _sum("requests.failed"), _sum("requests")),
        *(2e-3, 3.0, 0.03, 8.0),
    ),
    Symptom("gRPC errors", Ratio("endpoint", grpc_failed, _grpc), 2e-3, 3.0, 0.03, 8.0),
    Symptom(
        "full accept queue",
        Ratio("workload", _sum("listener.overflows"), _sum("listener.attempts")),
        *(2e-3, 3.0, 0.05, 5.0),
    ),
    Symptom(
        "dropped packets",
        Ratio("workload", _sum("dropped_segments"), _sum("dropped_segments", "sent_segments", "datagrams")),
        *(2e-3, 3.0, 0.02, 30.0),
    ),
    Symptom(
        "failed queries",
        Ratio("workload", _sum("queries.failed"), _sum("queries")),
        *(2e-3, 3.0, 0.03, 8.0),
    ),
)
