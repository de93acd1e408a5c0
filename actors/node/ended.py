"""The rows of sockets that ended, from the events of their ends."""

import errno
from typing import Any

import numpy as np

from actors.node.cgroups import Cgroups
from actors.node.rows import CLOSE, close_reasons, describe, gauge, growth, spread
from model.arrays import Columns
from model.kinds.delta import COUNTERS, CloseReason
from model.transport import Transport
from probes.kernel.layout import enums

_KIND = enums("tcp")["tcp_event"]


def ended_rows(
    events: np.ndarray, last: Columns, opened_before: np.ndarray, cgroups: Cgroups, offset_ns: int
) -> Columns:
    """Final counters less what was reported, who ended the connection, and how.

    :param events: ``struct socket_event``; shape (n,).
    :param last: the counters as they were reported, 0 where nothing was; none at all if that is so everywhere.
    :param opened_before: whether a row has reported the opening; shape (n,), bool.
    :param offset_ns: wall clock minus monotonic clock.
    """
    columns: Columns = {}
    header, sockets, counters = (_fields(events[part]) for part in ("header", "socket", "counters"))
    sockets["owner"] = _fields(events["socket"]["owner"])
    describe(columns, sockets, offset_ns)
    for name in COUNTERS:
        columns[name] = growth(counters[name], last[name]) if last else counters[name]
    gauge(columns, counters)
    columns["socket.slot"], columns["socket.generation"] = header["slot"], header["generation"]
    columns["network.transport"] = np.full(len(events), Transport.TCP, np.uint8)
    columns["connection.closed_at_ns"] = header["at_ns"] + np.uint64(offset_ns)
    columns["cgroup.index"] = cgroups.ids(sockets["owner"])
    _fill_end(columns, header, sockets["started_ns"], opened_before)
    return columns


def _fill_end(
    columns: Columns, header: dict[str, Any], started_ns: np.ndarray, opened_before: np.ndarray
) -> None:
    """State, error and reason of the end; how long a connect that failed had waited."""
    failed = header["kind"] == _KIND["KIND_FAIL"]
    opened = ~failed & ~opened_before & (columns["connection.adopted"] == 0)
    columns["connection.state"] = np.full(len(failed), CLOSE, np.uint8)
    columns["connection.failed"] = failed.astype(np.uint8)
    columns["connection.closed"] = (~failed).astype(np.uint8)
    columns["connection.opened"] = opened.astype(np.uint8)
    columns["error.errno"] = header["error"]
    reasons = close_reasons(header["old_state"], header["error"])
    if failed.any():
        reasons = np.where(failed, failure_reasons(header["error"]), reasons)
        waited = failed & (started_ns != 0)
        waiting = header["at_ns"] - started_ns
        columns["connection.connect_latency_ns"][waited] = waiting[waited]
    columns["connection.close_reason"] = reasons


def failure_reasons(errors: np.ndarray) -> np.ndarray:
    """What ended a connect: a reset (refused), a time-out, or the error in ``error.errno``."""
    reasons = np.full(len(errors), CloseReason.ERROR, np.uint8)
    reasons[np.isin(errors, (errno.ECONNREFUSED, errno.ECONNRESET))] = CloseReason.RST_RECEIVED
    reasons[errors == errno.ETIMEDOUT] = CloseReason.TIMED_OUT
    return reasons


def _fields(rows: np.ndarray) -> dict[str, Any]:
    """The fields of structs as columns, but for structs in them."""
    kinds = {name: kind for name, (kind, *_) in (rows.dtype.fields or {}).items() if kind.names is None}
    return spread(
        rows, {name: np.empty(len(rows), kind) for name, kind in kinds.items() if name != "reserved"}
    )
