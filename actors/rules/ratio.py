"""*Bad of total* as a rule says it, made into columns of workload or endpoint rows."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from model.arrays import Columns
from model.batch import Batch
from model.errors import UsageError
from model.filter.filter import Filter
from model.filter.quantities import duration_ns
from model.filter.view import BatchView, Mask, View
from model.histogram import Histograms, bucket_of
from model.kind import Kind
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import WORKLOAD

#: One number for each row.
Counts = Callable[[Batch], np.ndarray]
#: Columns of histograms that say how long what a rule counts took; the first that is not empty.
_ENDPOINT_TIMES: Final = tuple(f"http.{side}.request.duration_ns.index" for side in ("server", "client"))
#: Codes of gRPC by which the server, or the way to it, says that it failed.
_GRPC_FAILURES: Final = (2, 4, 8, 12, 13, 14, 15)
_SLOWER: Final = "slower:"
#: A word of a filter that asks for rows through a proxy.
_VIA: Final = re.compile(r"(?:^|[\s!-])via:")


@dataclass(frozen=True)
class Things:
    """What a rule can count.

    :param total: column names that are added up to how many there are.
    :param failed: the same of the failed ones, and ``symptom`` what incidents call that; empty: they cannot fail.
    :param times: columns with histograms of how long they took, and ``slow``: what incidents call the slow ones.
    """

    kind: Kind
    total: tuple[str, ...]
    failed: str = ""
    symptom: str = ""
    times: tuple[str, ...] = ()
    slow: str = ""


THINGS: Final = {
    "connects": Things(
        WORKLOAD,
        ("connections.opened", "connections.failed"),
        *("connections.failed", "connect_failed", ("connect_latency_ns.index",), "connect_slow"),
    ),
    "connections": Things(WORKLOAD, ("connections.closed",), "connections.closed.reset", "reset"),
    "segments": Things(WORKLOAD, ("sent_segments",), "retransmitted_segments", "retransmitted"),
    "round_trips": Things(WORKLOAD, (), times=("rtt_ns.index",), slow="slow"),
    "requests": Things(
        ENDPOINT, ("requests",), "requests.failed", "request_failed", _ENDPOINT_TIMES, "request_slow"
    ),
    "calls": Things(
        ENDPOINT, ("requests",), "requests.failed", "grpc_error", _ENDPOINT_TIMES, "request_slow"
    ),
}
#: What bad ones are called, and whose they are if nothing else is said.
_CALLED: Final = {"failed": "connects", "reset": "connections", "rtx": "segments"}


@dataclass(frozen=True)
class Ratio:
    """Bad ones and all of them.

    :param text: of the bad ones, as written; ``things`` what they are.
    :param symptom: as incidents call it.
    """

    text: str
    things: str
    symptom: str
    kind: Kind
    bad: Counts = field(repr=False)
    total: Counts = field(repr=False)

    def counts(self, batch: Batch) -> np.ndarray:
        """Bad ones and all of each row; shape (n, 2). Never more are bad than there are."""
        total = self.total(batch)
        return np.stack([np.minimum(self.bad(batch), total), total], axis=1)


def ratio_of(bad: str, things: str, where: str) -> Ratio:
    """From its texts.

    :param bad: ``failed``, ``reset``, ``rtx``, ``slower:300ms``, a column that counts, or words of a filter.
    :param things: of what; empty: what ``bad`` says by itself.
    :param where: a filter of rows.
    :raises ValueError: if one of them means nothing.
    """
    things = things or _CALLED.get(bad, "requests")
    if things not in THINGS:
        raise ValueError(f"{things} cannot be counted: write one of {', '.join(THINGS)}")
    what = THINGS[things]
    mask = _mask(where, what.kind)
    if bad.startswith(_SLOWER):
        symptom, counted, total = _slower(bad.removeprefix(_SLOWER), what, things)
    else:
        if not what.total:
            raise ValueError(f"of {things} is said how slow they are: write slower:20ms")
        symptom, counted = _bad(bad, what, things)
        total = _calls(_sum(*what.total)) if things == "calls" else _sum(*what.total)
    if what.kind is ENDPOINT and not _VIA.search(f"{bad} {where}"):
        counted, total = _once(counted), _once(total)
    return Ratio(bad, things, symptom, what.kind, _within(mask, counted), _within(mask, total))


def _bad(bad: str, what: Things, things: str) -> tuple[str, Counts]:
    """What incidents call them, and how many there are."""
    named = bad in _CALLED and (bad == "failed" or _CALLED[bad] == things)
    if named and things == "calls":
        return what.symptom, _grpc_failed
    if named:
        return what.symptom, _sum(what.failed)
    if bad in what.kind.types and what.kind.column(bad).over == "sum":
        return f"bad_{things}", _sum(bad)
    total = _calls(_sum(*what.total)) if things == "calls" else _sum(*what.total)
    return f"bad_{things}", _within(_mask(bad, what.kind), total)


def _slower(text: str, what: Things, things: str) -> tuple[str, Counts, Counts]:
    """What took longer than that, and all whose time is known."""
    if not what.times:
        timed = ", ".join(name for name, each in THINGS.items() if each.times)
        raise ValueError(f"nobody knows how long {things} take: write one of {timed}")
    bucket = int(bucket_of(np.array([max(duration_ns(text), 1)]))[0])
    slower, total = _above(what.times, bucket), _above(what.times, None)
    if things == "calls":
        return what.slow, _calls(slower), _calls(total)
    return what.slow, slower, total


def _mask(text: str, kind: Kind) -> Callable[[View], Mask] | None:
    if not text:
        return None
    try:
        filter_ = Filter(text)
        if filter_.since is not None or filter_.until is not None:
            raise ValueError("a rule looks at now: leave out since and until")
        return filter_.of(kind)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _within(mask: Callable[[View], Mask] | None, counts: Counts) -> Counts:
    """Counts of the rows that match; others count none."""
    if mask is None:
        return counts
    return lambda batch: np.where(mask(BatchView(batch)), counts(batch), 0)


def _sum(*names: str) -> Counts:
    def counts(batch: Batch) -> np.ndarray:
        return sum((batch.columns[name].astype(np.float64) for name in names), np.zeros(len(batch)))

    return counts


def _once(counts: Counts) -> Counts:
    """Requests through a proxy count at its two sides; rows from end to end are the same requests again."""
    return lambda batch: np.where(batch.columns["via.index"] == 0, counts(batch), 0)


def _is_call(columns: Columns) -> np.ndarray:
    return np.asarray(columns["rpc.system"] == b"grpc")


def _calls(counts: Counts) -> Counts:
    return lambda batch: np.where(_is_call(batch.columns), counts(batch), 0)


def _grpc_failed(batch: Batch) -> np.ndarray:
    columns = batch.columns
    failed = _is_call(columns) & np.isin(columns["rpc.grpc.status_code"], _GRPC_FAILURES)
    return np.where(failed, columns["requests"].astype(np.float64), 0)


def _above(times: tuple[str, ...], bucket: int | None) -> Counts:
    """How many values of each row lie above a bucket; None: all."""

    def counts(batch: Batch) -> np.ndarray:
        each = _of_histograms(batch.tables["histograms"], bucket)
        numbers = batch.columns[times[-1]].astype(np.int64)
        for name in times[-2::-1]:
            first = batch.columns[name].astype(np.int64)
            numbers = np.where(first, first, numbers)
        return each[numbers]

    return counts


def _of_histograms(histograms: Histograms, bucket: int | None) -> np.ndarray:
    lengths = np.diff(histograms.begins)
    of = np.repeat(np.arange(len(lengths)), lengths)
    counted = histograms.counts.astype(np.float64)
    if bucket is not None:
        counted = np.where(histograms.buckets > bucket, counted, 0)
    return np.bincount(of, counted, len(lengths))
