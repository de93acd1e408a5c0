"""What rows of workloads count of edges."""

from typing import Any

import numpy as np
import pytest

from actors.detect.edges import Edges, Name
from actors.detect.habits import Habits
from actors.detect.symptoms import SYMPTOMS
from model.batch import Batch
from model.histogram import Histograms
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import OTHER, WORKLOAD, Workload

TABLE = [
    OTHER,
    Workload("web", "Deployment", "shop", "a", "1"),
    Workload("web", "Deployment", "shop", "b", "2"),
    Workload("cart", "Deployment", "shop", "a", "7"),
]
PLACE = {symptom.name: place for place, symptom in enumerate(SYMPTOMS)}
WEB, CART = ("Deployment", "shop", "web"), ("Deployment", "shop", "cart")


def rows(kind: Any, *said: dict[str, Any], **tables: Any) -> Batch:
    columns = kind.empty(len(said))
    for place, row in enumerate(said):
        for name, value in {"server.workload.index": 3, "server.port": 80, **row}.items():
            columns[name][place] = value
    return Batch(kind, "engine", "boot", 0, 1, columns, {"workloads": TABLE, **tables})


def test_versions_and_zones_are_one_edge_and_seconds_add_up() -> None:
    edges = Edges()
    batch = rows(
        WORKLOAD,
        {"client.workload.index": 1, "connections.failed": 2, "connections.opened": 8, "bytes": 10},
        {"client.workload.index": 2, "connections.failed": 1, "connections.opened": 4, "reply_bytes": 5},
    )
    seen = edges.observe([batch, batch])
    assert len(seen) == 1
    assert (seen.bad[0, PLACE["failed connects"]], seen.total[0, PLACE["failed connects"]]) == (6, 30)
    assert seen.traffic.tolist() == [30]
    assert edges.name(int(seen.ids[0])) == Name("edge", WEB, CART, 80)


def test_ports_are_edges_of_their_own_and_ids_are_the_same_in_every_run() -> None:
    batch = rows(WORKLOAD, {"client.workload.index": 1}, {"client.workload.index": 1, "server.port": 81})
    first, second = Edges().observe([batch]), Edges().observe([batch])
    assert len(first) == 2
    assert first.ids.tolist() == second.ids.tolist()


def test_nodes_are_counted_where_they_are_wanted() -> None:
    edges = Edges()
    seen = edges.observe([rows(WORKLOAD, {"client.workload.index": 2, "sent_segments": 9})])
    assert seen.parts is not None
    assert [edges.name(id_) for id_ in seen.parts.nodes[0].tolist()] == [
        Name("client", WEB),
        Name("server", server=CART),
        Name("zone", ("b",)),
        Name("zone", ("a",)),
        None,
        None,
        Name("client part", (*WEB, "b", "2")),
        None,
    ]
    assert seen.parts.total[0, PLACE["retransmitted segments"]] == 9
    assert seen.parts.edges.tolist() == seen.ids.tolist()
    assert Edges(nodes=False).observe([rows(WORKLOAD, {"client.workload.index": 2})]).parts is None


def test_pairs_beyond_the_limit_are_no_edge() -> None:
    assert not len(Edges().observe([rows(WORKLOAD, {"server.workload.index": 0})]))
    assert not len(Edges().observe([]))


def test_calls_of_grpc_that_the_server_failed() -> None:
    call = {"client.workload.index": 1, "rpc.system": b"grpc"}
    batch = rows(
        ENDPOINT,
        {**call, "requests": 5, "rpc.grpc.status_code": 0},
        {**call, "requests": 3, "rpc.grpc.status_code": 14},
        {**call, "requests": 2, "rpc.grpc.status_code": 5},
        {"client.workload.index": 1, "requests": 7},
    )
    seen = Edges().observe([batch])
    assert (seen.bad[0, PLACE["gRPC errors"]], seen.total[0, PLACE["gRPC errors"]]) == (3, 10)


def test_names_are_bounded() -> None:
    edges = Edges(limit=2, nodes=False)
    for port in range(5):
        edges.observe([rows(WORKLOAD, {"client.workload.index": 1, "server.port": port})])
    assert edges.forgotten == 3


def test_slow_is_above_the_pairs_own_habit() -> None:
    random, habits = np.random.default_rng(1), Habits()
    strata = np.array([5, 6], np.uint64)

    def second(times: float) -> tuple[np.ndarray, np.ndarray]:
        usual = np.array([1e5, 1e7]).repeat(50) * times
        values = (usual * np.exp(random.normal(0, 0.3, 100))).astype(np.int64)
        table = Histograms.of(np.array([1, 2]).repeat(50), values, 3)
        return habits.counts(strata, np.array([1, 2]), table, np.ones(2, np.bool_))

    assert second(1)[1].tolist() == [0, 0]
    for _ in range(300):
        second(1)
    well = [second(1) for _ in range(50)]
    assert sum(int(slow.sum()) for slow, _ in well) / 5000 < 0.01
    slow, total = second(4)
    assert total.tolist() == [50, 50]
    assert (slow > 45).all()


def _latencies(random: np.random.Generator, usual: float) -> Histograms:
    values = usual * np.exp(random.normal(0, 0.3, 50))
    return Histograms.of(np.ones(50, np.int64), values.astype(np.int64), 2)


def test_what_a_pair_usually_takes_outlives_a_restart() -> None:
    random, before, after = np.random.default_rng(2), Habits(), Habits()
    pair, one, learn = np.array([5], np.uint64), np.array([1]), np.ones(1, np.bool_)
    for _ in range(100):
        before.counts(pair, one, _latencies(random, 1e5), learn)
    after.adopt(before.encode())
    slow, total = after.counts(pair, one, _latencies(random, 4e5), learn)
    assert (total.tolist(), slow[0] > 45) == ([50], True)


def test_of_habits_those_that_were_seen_most_are_kept() -> None:
    random, before, after = np.random.default_rng(3), Habits(), Habits()
    pairs, numbers = np.arange(10).astype(np.uint64), np.ones(10, np.int64)
    for tick in range(20):
        before.counts(
            pairs[tick % 2 :], numbers[tick % 2 :], _latencies(random, 1e5), np.ones(10, np.bool_)[tick % 2 :]
        )
    after.adopt(before.encode(most=9))
    assert len(after) == 9
    _, total = after.counts(pairs, numbers, _latencies(random, 1e5), np.ones(10, np.bool_))
    assert (total > 0).tolist() == [False] + [True] * 9


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x81\xa6rtt_ns\x01", Habits().encode()[:-3]])
def test_habits_that_cannot_be_read_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="habits"):
        Edges().adopt_habits(data)
