"""Requests summed up by who asked whom for what."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from actors.items import Window
from actors.workloads.endpoints import Endpoints
from model.batch import Batch
from model.histogram import Histogram, merged
from model.kinds.endpoint import ENDPOINT
from model.kinds.request import REQUEST
from model.ledger import Ledger
from model.message import decode
from model.summing import summed as summed_up
from tailrace.testing.requests import make_endpoints, make_requests

_ALIKE = (
    *("server.port", "network.protocol.version", "http.request.method", "http.route", "http.host"),
    *("http.response.status_code", "rpc.system", "rpc.grpc.status_code", "via.name", "via.cluster"),
)
_SUMS = (
    *("requests", "requests.failed", "client.requests", "server.requests"),
    *("http.request.bytes", "http.response.bytes"),
)
_MEASURES = ("http.client.request.duration_ns", "http.server.request.duration_ns")


def endpoints(*batches: Batch, limit: int = 20_000, ledger: Ledger | None = None) -> list[Batch]:
    return Endpoints(ledger or Ledger(), limit).of(batches)


def few(rows: int, seed: int, **head: Any) -> Batch:
    """Requests of which many are alike."""
    random = np.random.default_rng(seed)
    columns = {
        "server.port": random.choice([80, 8080], rows),
        "http.request.method": random.choice([1, 2], rows),
        "client.entity.index": random.integers(1, 3, rows),
        "server.entity.index": random.integers(1, 3, rows),
    }
    return make_requests(rows, seed=seed, columns=columns, **head)


def whose(row: dict[str, Any], side: str) -> tuple[str, str]:
    """Name and namespace of the workload of a request's end."""
    entity = row.get(f"{side}.entity", {})
    return (
        entity.get("k8s.workload.name") or entity.get("container.name", ""),
        entity.get("k8s.namespace.name", ""),
    )


def named(row: dict[str, Any], side: str) -> tuple[str, str]:
    return row[f"{side}.workload.name"], row.get(f"{side}.workload.namespace", "")


def told(row: dict[str, Any], who: Any) -> tuple[Any, ...]:
    return who(row, "client"), who(row, "server"), *(row.get(name) for name in _ALIKE)


def numbers(rows: list[dict[str, Any]]) -> tuple[Counter[str], list[Histogram]]:
    """Sums of rows, and their merged histograms."""
    sums = Counter({name: sum(row.get(name, 0) for row in rows) for name in _SUMS})
    held = [[row[measure] for row in rows if measure in row] for measure in _MEASURES]
    for measure, each in zip(_MEASURES, held, strict=True):
        sums[measure] = sum(one["sum"] for one in each)
    return sums, [
        merged(Histogram(dict(zip(one["buckets"], one["counts"], strict=True))) for one in each)
        for each in held
    ]


def test_endpoints_are_the_sums_of_requests() -> None:
    """Of all batches of a window, whose tables number their texts apart: as a loop over the rows finds them."""
    batches = [few(400, 1), few(300, 2, seq=1)]
    batches += [*few(500, 3, seq=2).chunked(200)]
    requests = [row for batch in batches for row in batch.rows()]
    expected = defaultdict(list)
    for row in requests:
        expected[told(row, whose)].append(row)
    found = [row for batch in endpoints(*batches) for row in batch.rows()]
    assert len(expected) > 100
    assert {told(row, named): numbers([row]) for row in found} == {
        key: numbers(rows) for key, rows in expected.items()
    }
    assert len(found) == len(expected)


def test_evidence_is_of_requests() -> None:
    """How many of them rest on what."""
    same: dict[str, Any] = dict.fromkeys(("route.index", "host.index", "via.index"), 0)
    same |= {"server.port": 80, "http.response.status_code": 200, "http.request.method": 1}
    same |= {"client.entity.index": 1, "server.entity.index": 2}
    same |= {"network.protocol.version": b"2", "rpc.system": b"", "rpc.grpc.status_code": 255}
    columns = same | {"requests": [1, 2, 4, 8], "evidence": [5, 5, 3, 1]}
    ((row,),) = ([*batch.rows()] for batch in endpoints(make_requests(4, columns=columns)))
    graded = {name: count for name, count in row.items() if name.startswith("evidence.")}
    assert graded == {"evidence.both": 3, "evidence.server": 4, "evidence.address": 8}
    assert row["requests"] == 15


def test_beyond_the_limit_requests_are_counted_by_status() -> None:
    """Those of the largest counts have rows of their own; nothing is missing from the sums; the ledger says so."""
    ledger = Ledger()
    batch = make_requests(500, seed=4)
    (whole,) = endpoints(batch, limit=100, ledger=ledger)
    rows = [*whole.rows()]
    others = [row for row in rows if row.get("http.route") == "other"]
    assert len(rows) - len(others) == 100
    assert {(row["client.workload.kind"], row["server.workload.kind"]) for row in others} == {
        ("other", "other")
    }
    assert len({row["http.response.status_code"] for row in others}) == len(others)
    assert numbers(rows) == numbers([*batch.rows()])
    least = min(row["requests"] for row in rows if row not in others)
    folded = ledger.stage("endpoints", "rows").noted
    assert folded == {"endpoints_folded": 400, "rows_folded": 400}
    assert sorted(row["requests"] for row in batch.rows())[-100] == least


def test_a_window_keeps_its_requests_and_gains_endpoints() -> None:
    """Numbered as the requests are; without requests there are none."""
    stage = Endpoints(Ledger())
    (window,) = stage.handle(Window(7, (few(50, 5, window=7, seq=3),)))
    kinds = [batch.kind for batch in window.batches]
    assert kinds == [REQUEST, ENDPOINT]
    assert [batch.seq for batch in window.batches] == [3, 3]
    (empty,) = stage.handle(Window(8, ()))
    assert empty.batches == ()


def test_a_batch_of_endpoints_is_a_message_and_sums_up() -> None:
    """A reader has the same rows; those of two seconds are put together by what they are about."""
    batch = make_endpoints(40, seed=6)
    assert [*decode(batch.encode()).rows()] == [*batch.rows()]
    twice = summed_up([batch, batch])
    assert len(twice) == len({told(row, named) for row in batch.rows()})
    assert int(twice.columns["requests"].sum()) == 2 * int(batch.columns["requests"].sum())
