"""What rows of workloads count of edges."""

from typing import Any

import numpy as np

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
