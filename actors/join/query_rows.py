"""Query rows: what both ends of flows counted of DNS, put together by name, type and response code."""

from dataclasses import replace
from typing import Final

import numpy as np

from actors.join.counted import Counted, durations_of, shared_columns
from model.arrays import Columns, Tables
from model.batch import Batch
from model.kinds.flow import SIDES
from model.kinds.query import QUERY, ResponseCode, failed
from model.queries import NO_ANSWER, Queries

#: Columns that the joiner carries beside those of flows: groups of queries of the clients, of the servers.
QUERY_GROUPS: Final = tuple(f"{side}.queries.index" for side in SIDES)
_SUMS: Final = {"queries": "queries", **{f"dns.{name}": name for name in ("retries", "truncated", "search")}}


def fill_queries(columns: Columns, entries: Counted) -> None:
    """How many queries each flow had, and how many failed."""
    count, values = len(columns["queries"]), entries.columns
    columns["queries"] = entries.sums(values["queries"], entries.flow, count)
    columns["queries.failed"] = entries.sums(_failed(entries), entries.flow, count)


def query_batch(head: Batch, flows: Columns, tables: Tables, entries: Counted, queries: Queries) -> Batch:
    """The queries of some flows, in a batch like ``head``.

    :param flows: columns of flows.
    :param tables: what they point into.
    :param queries: from which the entries are.
    """
    values = entries.columns
    keys = _keys(entries, len(queries.names))
    _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
    count = len(first)
    columns = shared_columns(flows, entries.flow[first]) | {
        "question.index": values["name"][first],
        "dns.question.type": values["type"][first],
        "dns.response.code": _codes(values["rcode"][first]),
    }
    for said, of in _SUMS.items():
        columns[said] = entries.sums(values[of], numbers, count)
    columns["queries.failed"] = entries.sums(_failed(entries), numbers, count)
    for side, name in enumerate(SIDES):
        mine = entries.side == side
        for said, of in (
            (f"{name}.queries", "queries"),
            (f"dns.{name}.lookup.duration_ns.sum", "latency_ns"),
        ):
            columns[said] = np.zeros(count, np.uint64)
            np.add.at(columns[said], numbers[mine], values[of][mine])
    names = tuple(f"dns.{side}.lookup.duration_ns.index" for side in SIDES)
    histograms = durations_of(columns, names, entries, numbers, count, queries.histograms)
    columns = {name: columns[name].astype(kind, copy=False) for name, kind in QUERY.types.items()}
    used = {name: tables[name] for name in QUERY.tables if name in tables}
    whole = {**used, "questions": list(queries.names), "histograms": histograms}
    return replace(head, kind=QUERY, columns=columns, tables=whole).compacted()


def _keys(entries: Counted, names: int) -> np.ndarray:
    """A number for each flow, name, type and response code, which is sorted faster than four columns."""
    values = entries.columns
    kinds, kind = np.unique(
        values["type"].astype(np.int64) << 16 | values["rcode"].astype(np.int64), return_inverse=True
    )
    keys: np.ndarray = (entries.flow * names + values["name"].astype(np.int64)) * len(kinds) + kind
    return keys


def _codes(rcodes: np.ndarray) -> np.ndarray:
    """In one byte."""
    codes: np.ndarray = np.minimum(rcodes, ResponseCode.HIGHER)
    codes[rcodes == NO_ANSWER] = ResponseCode.NO_ANSWER
    return codes


def _failed(entries: Counted) -> np.ndarray:
    """Queries of each entry that failed."""
    values = entries.columns
    return np.where(failed(values["rcode"]), values["queries"], np.uint64(0))
