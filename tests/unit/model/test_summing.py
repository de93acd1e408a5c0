"""Rows of several seconds as one for each key."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.batch import Batch
from model.kind import Kind
from model.kinds import kinds
from model.kinds.flow import FLOW
from model.kinds.workload import OTHER, Workload
from model.summing import summed
from tailrace.testing import make_batch, make_flows, make_workloads
from tailrace.testing.deltas import WINDOW

Row = Mapping[str, Any]


def seconds(kind: Kind, count: int = 4, rows: int = 300) -> list[Batch]:
    """So many seconds of the same keys, with other figures in each."""
    keys = make_batch(kind, rows)
    batches = []
    for number in range(count):
        batch = make_batch(kind, rows, seed=number, seq=number, window=WINDOW + number)
        kept = {name: keys.columns[name] for name in kind.key}
        batches.append(replace(batch, columns=batch.columns | kept))
    return batches


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.key], ids=lambda kind: kind.plural)
def test_sums_are_those_of_the_rows(kind: Kind) -> None:
    """Each column that is a sum adds up, in all and for each key, and there is one row for each key."""
    batches = seconds(kind)
    whole = summed(batches)
    assert (whole.window, whole.seq, whole.chunk, whole.chunks) == (WINDOW, 0, 0, 1)
    columns = [column.name for column in kind.columns if column.over == "sum"]
    assert columns
    for name in columns:
        assert whole.columns[name].sum() == sum(batch.columns[name].sum() for batch in batches), name
    if any(kind.column(name).table for name in kind.key):
        return  # places in tables are another thing in each batch
    expected: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for batch in batches:
        for key, *values in zip(
            zip(*(batch.columns[name].tolist() for name in kind.key), strict=True),
            *(batch.columns[name].tolist() for name in columns),
            strict=True,
        ):
            expected[key].update(dict(zip(columns, values, strict=True)))
    found = list(zip(*(whole.columns[name].tolist() for name in kind.key), strict=True))
    assert len(found) == len(set(found)) == len(expected)
    for place, key in enumerate(found):
        assert {name: whole.columns[name][place] for name in columns} == {
            name: expected[key][name] for name in columns
        }


def test_what_stands_is_the_last_and_what_happened_stays() -> None:
    """States are those of the last second, flags of any, gauges the last that there was."""
    same = {"connection.id": 7, "connection.opened_at_ns": 5}
    state, rtt, left = "client.connection.state", "client.rtt_ns", "bytes_unaccounted"
    rows = [
        {"connection.opened": 1, "client.reported": 1, rtt: 100, state: 1, left: 9},
        {"client.reported": 0, rtt: 0, state: 4, left: 3},
        {"connection.closed": 1, rtt: 0, state: 0, left: 0},
    ]
    zero = {name: 0 for row in rows for name in row}
    batches = [
        make_flows(1, window=WINDOW + n, seq=n, columns={**zero, **same, **row}) for n, row in enumerate(rows)
    ]
    (row,) = summed(batches).rows()
    assert (row["connection.opened"], row["connection.closed"], row["client.reported"]) == (True, True, True)
    assert (row["client.rtt_ns"], row["client.connection.state"]) == (100, "fin_wait1")
    assert "bytes_unaccounted" not in row


def test_pairs_are_the_same_by_name_and_their_histograms_are_merged() -> None:
    """Whatever their places in the tables of each second are."""
    cart, db = Workload("cart", "Deployment", "shop"), Workload("db", "StatefulSet", "shop")
    tables = [[OTHER, cart, db], [OTHER, db, cart]]
    batches = [
        make_workloads(
            1,
            seed=number,
            window=WINDOW + number,
            ends=table,
            columns={
                "client.workload.index": table.index(cart),
                "server.workload.index": table.index(db),
                "server.port": 5432,
                "connections.active": 3 + number,
            },
        )
        for number, table in enumerate(tables)
    ]
    (row,) = summed(batches).rows()
    parts = [next(iter(batch.rows())) for batch in batches]
    assert (row["client.workload.name"], row["server.workload.name"]) == ("cart", "db")
    assert row["bytes"] == sum(part.get("bytes", 0) for part in parts)
    assert row["connections.active"] == 4
    held: Counter[int] = Counter()
    for part in parts:
        held.update(dict(zip(part["rtt_ns"]["buckets"], part["rtt_ns"]["counts"], strict=True)))
    assert dict(zip(row["rtt_ns"]["buckets"], row["rtt_ns"]["counts"], strict=True)) == held
    assert row["rtt_ns"]["sum"] == sum(part["rtt_ns"]["sum"] for part in parts)


def test_one_second_stays_what_it_is() -> None:
    """But for the order of its rows."""
    batch = make_flows(500)
    key = "connection.id"
    assert sorted(summed([batch]).rows(), key=lambda row: row[key]) == sorted(
        batch.rows(), key=lambda row: row[key]
    )
    assert len(summed([batch.empty()])) == 0


def test_tables_are_cut_to_what_rows_use() -> None:
    """They do not grow with the seconds."""
    batches = [make_flows(50, seq=number, window=WINDOW + number) for number in range(20)]
    whole = summed(batches)
    index = np.concatenate([whole.columns[name] for name in FLOW.indexes["entities"]])
    assert len(whole.tables["entities"]) == len(set(index.tolist()) | {0})
