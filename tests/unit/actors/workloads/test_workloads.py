"""Flows summed up by who talks to whom."""

import errno
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.workloads.ends import distinct
from actors.workloads.workloads import Workloads
from model.addresses import address_bytes
from model.batch import Batch
from model.enricher import Entity
from model.histogram import Histogram, bucket_of, merged
from model.kinds.delta import CloseReason, flags
from model.kinds.flow import FlowEvidence
from model.kinds.flow.traffic import flow_traffic
from model.kinds.workload import EVIDENCE, OTHER, Workload
from model.kinds.workload.names import named
from model.ledger import Ledger
from tailrace.testing.flows import flows_of, make_flows
from tests.plain_rows import plain_rows

POD: Entity = {
    "k8s.workload.name": "cart",
    "k8s.workload.kind": "Deployment",
    "k8s.namespace.name": "shop",
    "container.name": "cart",
    "cloud.availability_zone": "a",
    "service.version": "1.2",
    "host.name": "node-a",
}
DATABASE: Entity = {"systemd.unit": "postgresql.service", "cloud.availability_zone": "b", "host.name": "db"}
HOST: Entity = {"host.name": "node-a"}
ENTITIES: list[Entity] = [{}, POD, DATABASE, HOST]

CART = Workload("cart", "Deployment", "shop", "a", "1.2")
POSTGRES = Workload("postgresql.service", "systemd", "", "b")


def summed(*flows: Batch, pairs: int = 50_000, ledger: Ledger | None = None) -> list[Batch]:
    return Workloads(ledger or Ledger(), pairs).of(flows)


def enriched(*rows: dict[str, object]) -> Batch:
    return flows_of(*rows).with_tables(entities=ENTITIES)


def flow(client: int, server: int, **said: object) -> dict[str, object]:
    """A flow that the client reports: ``client_tx_bytes`` is its column ``client.tx_bytes``."""
    ends = {"client.entity.index": client, "server.entity.index": server, "client.reported": 1}
    columns = {name.replace("_", ".", 1): value for name, value in said.items()}
    return {"evidence": FlowEvidence.CLIENT, "server.port": 5432, **ends, **columns}


def rows_of(*batches: Batch) -> list[dict[str, Any]]:
    return [row for batch in batches for row in plain_rows(batch)]


def ends_of(row: dict[str, Any], side: str) -> Workload:
    parts = ("workload.name", "workload.kind", "workload.namespace")
    place = ("cloud.availability_zone", "service.version")
    return Workload(*(row[f"{side}.{part}"] for part in (*parts, *place)))


@pytest.mark.parametrize(
    ("entity", "workload"),
    [
        (POD, CART),
        ({"k8s.pod.name": "debug", "k8s.namespace.name": "shop"}, Workload("debug", "Pod", "shop")),
        ({"k8s.service.name": "db", "k8s.namespace.name": "shop"}, Workload("db", "Service", "shop")),
        (
            {"aws.ecs.task.family": "web", "aws.ecs.cluster.arn": "arn:aws:ecs:x:1:cluster/live"},
            Workload("web", "ecs", "live"),
        ),
        (
            {"docker.compose.service": "api", "docker.compose.project": "p", "container.name": "p-api-1"},
            Workload("api", "compose", "p"),
        ),
        (
            {"container.name": "redis", "container.image.tags": "7", "systemd.unit": "docker.service"},
            Workload("redis", "container", version="7"),
        ),
        ({**DATABASE, "process.executable.name": "postgres"}, POSTGRES),
        ({"service.name": "office"}, Workload("office", "name")),
        ({"process.executable.name": "curl", "host.name": "h"}, Workload("curl", "process")),
        (HOST, None),
        ({}, None),
    ],
)
def test_the_surest_name_counts(entity: Entity, workload: Workload | None) -> None:
    """From Kubernetes down to the process."""
    assert named(entity).workload == workload


def test_flows_of_a_pair_add_up() -> None:
    """Bytes both ways, connections, retransmits, evidence and histograms are those of its flows."""
    client = {"client_tx_bytes": 100, "client_rx_bytes": 7, "client_retransmitted_segments": 1}
    client |= {"client_tx_segments": 9, "server_tx_segments": 2}
    latency = {"connection_connect_latency_ns": 3000}
    (batch,) = summed(
        enriched(
            flow(1, 2, **client, client_rtt_ns=1000, connection_opened=1, **latency),
            flow(1, 2, **client, client_rtt_ns=1000, connection_closed=1, **latency),
            flow(1, 2, server_retransmitted_segments=4, connection_failed=1, **latency),
            flow(1, 2, server_port=80, client_tx_bytes=1),
            flow(2, 1, client_tx_bytes=5),
        )
    )
    row = next(
        row for row in plain_rows(batch) if ends_of(row, "client") == CART and row["server.port"] == 5432
    )
    assert ends_of(row, "server") == POSTGRES
    assert len(batch) == 3
    assert (row["bytes"], row["reply_bytes"]) == (200, 14)
    assert (row["retransmitted_segments"], row["sent_segments"]) == (6, 22)
    lives = ("active", "opened", "closed", "failed")
    assert [row[f"connections.{life}"] for life in lives] == [2, 1, 1, 1]
    assert [row[name] for name in EVIDENCE] == [0, 0, 0, 3, 0]
    assert row["rtt_ns"] == {"scale": 3, "buckets": [79], "counts": [2]}
    assert row["connect_latency_ns"]["counts"] == [2], "once for the opened one, once for the failed one"
    assert (row["rtt_ns.sum"], row["connect_latency_ns.sum"]) == (2000, 6000)


def test_failures_are_counted_by_what_the_client_was_told() -> None:
    """Else by what the server was; other reasons are in the sum alone, and a reset later is no failed connect."""
    failed = flow(1, 2, connection_failed=1)
    client, server = "client.error.errno", "server.error.errno"
    (row,) = rows_of(
        *summed(
            enriched(
                *(failed | {client: errno.ECONNREFUSED} for _ in range(3)),
                failed | {client: errno.ETIMEDOUT, server: errno.ECONNREFUSED},
                failed | {server: errno.EHOSTUNREACH},
                failed | {client: errno.ENETUNREACH},
                failed | {client: errno.ECONNRESET},
                *(failed | {client: errno.ECANCELED} for _ in range(2)),
                failed | {client: errno.EADDRNOTAVAIL},
                flow(1, 2) | {client: errno.ECONNREFUSED},
            )
        )
    )
    reasons = ("refused", "timed_out", "unreachable", "reset", "gave_up")
    assert [row[f"connections.failed.{reason}"] for reason in reasons] == [3, 1, 2, 1, 2]
    assert (row["connections.failed"], row["connections.active"]) == (10, 1)


def test_connections_that_broke_are_counted_once() -> None:
    """By what either end says, a reset before a time-out; a connect that was reset has failed, and did not break."""
    ended = flow(1, 2, connection_closed=1)
    client, server = "client.connection.close_reason", "server.connection.close_reason"
    (row,) = rows_of(
        *summed(
            enriched(
                ended | {client: CloseReason.RST_SENT, server: CloseReason.RST_RECEIVED},
                ended | {server: CloseReason.RST_RECEIVED},
                ended | {client: CloseReason.TIMED_OUT, server: CloseReason.RST_SENT},
                ended | {client: CloseReason.TIMED_OUT},
                ended | {client: CloseReason.FIN_SENT, server: CloseReason.FIN_RECEIVED},
                ended | {client: CloseReason.RST_RECEIVED, "connection.failed": 1},
                flow(1, 2) | {client: CloseReason.RST_RECEIVED},
            )
        )
    )
    found = [row[f"connections.closed{reason}"] for reason in ("", ".reset", ".timed_out")]
    assert found == [6, 3, 1]


def test_the_server_speaks_for_a_silent_client() -> None:
    """Mirrored: what it received is what the client sent. Where both report, the client's word counts."""
    sees = {"server.rx_bytes": 70, "server.tx_bytes": 3, "server.rtt_ns": 5, "server.reported": 1}
    alone = flow(1, 2) | sees | {"client.reported": 0, "evidence": FlowEvidence.SERVER}
    both = flow(1, 2, client_tx_bytes=1000) | sees | {"evidence": FlowEvidence.BOTH}
    (row,) = rows_of(*summed(enriched(alone, both)))
    assert (row["bytes"], row["reply_bytes"]) == (1070, 3)
    assert row["rtt_ns"]["counts"] == [2]


def test_an_end_without_a_workload_is_its_process_else_its_machine_else_its_address() -> None:
    """In that order; two processes of one name are one."""
    curl = {"client.process.comm": b"curl"}
    address = np.frombuffer(address_bytes("203.0.113.7"), "V16")[0]
    (batch,) = summed(
        enriched(
            flow(3, 2) | curl,
            flow(0, 2) | curl,
            flow(3, 2),
            flow(0, 2, client_address=address),
        )
    )
    found = {ends_of(row, "client"): row["connections.active"] for row in plain_rows(batch)}
    assert found == {
        Workload("curl", "process"): 2,
        Workload("node-a", "node"): 1,
        Workload("203.0.113.7", "address"): 1,
    }


def test_late_flows_keep_their_own_second() -> None:
    """They are rows of their own."""
    flows = enriched(flow(1, 2, client_tx_bytes=1), flow(1, 2, client_tx_bytes=2, window_late_s=3))
    rows = rows_of(*summed(flows))
    assert sorted((row["window.late_s"], row["bytes"]) for row in rows) == [(0, 1), (3, 2)]


def test_pairs_beyond_the_limit_are_one_row() -> None:
    """Those that moved least, strangers first; nothing is lost, and it is counted."""
    ledger = Ledger()
    address = np.frombuffer(address_bytes("203.0.113.7"), "V16")[0]
    rows = [flow(1, 2, server_port=port, client_tx_bytes=port) for port in range(1, 9)]
    rows.append(flow(0, 2, client_address=address, client_tx_bytes=10**6))
    found = rows_of(*summed(enriched(*rows), pairs=4, ledger=ledger))
    assert sorted(row["bytes"] for row in found) == [6, 7, 8, 10**6 + 15]
    (other,) = (row for row in found if row["client.workload.kind"] == "other")
    assert (ends_of(other, "client"), ends_of(other, "server")) == (OTHER, OTHER)
    assert (other["server.port"], other["connections.active"]) == (0, 6)
    stage = ledger.stages["workloads"]
    assert stage.noted == {"pairs_folded": 6, "rows_folded": 6}
    assert (stage.received, stage.delivered, stage.balanced) == (9, 9, True)


def test_an_empty_second_is_a_batch_without_rows() -> None:
    """Who shows seconds sees that one passed."""
    (empty,) = summed(flows_of())
    assert (len(empty), empty.chunk, empty.chunks) == (0, 0, 1)


def test_chunks_are_numbered_as_the_flows_are() -> None:
    """Whoever reads both knows which flows a row is made of."""
    whole = replace(make_flows(9000), seq=41)
    ports = {"server.port": np.arange(9000).astype("<u2")}
    batches = summed(*replace(whole, columns=whole.columns | ports).chunked())
    assert [(batch.seq, batch.chunk, batch.chunks) for batch in batches] == [
        (41, 0, 3),
        (42, 1, 3),
        (43, 2, 3),
    ]
    assert sum(map(len, batches)) == 9000


@settings(max_examples=40)
@given(
    rows=st.integers(0, 400),
    seed=st.integers(0, 2**32 - 1),
    ports=st.integers(1, 400),
    pairs=st.integers(1, 200),
    chunk=st.integers(1, 400),
)
def test_nothing_is_lost_or_made_up(rows: int, seed: int, ports: int, pairs: int, chunk: int) -> None:
    """The sums over the rows are those over the flows, whatever the pairs, the limit and the chunks."""
    random = np.random.default_rng(seed)
    drawn = {
        "server.port": random.integers(0, ports, rows),
        "window.late_s": random.integers(0, 3, rows) // 2,
        "client.entity.index": random.integers(0, 4, rows),
        "server.entity.index": random.integers(0, 4, rows),
        "connection.connect_latency_ns": random.integers(0, 10**9, rows),
    }
    flows = make_flows(rows, seed=seed, columns=drawn).with_tables(entities=ENTITIES)
    batches = summed(*flows.chunked(chunk), pairs=pairs)
    assert {name: total(batches, name) for name in expected(flows)} == expected(flows)
    assert rtts(batches) == histogram_of(flow_traffic(flows.columns).rtt_ns)


def total(batches: list[Batch], name: str) -> int:
    return sum(int(batch.columns[name].sum()) for batch in batches)


def expected(flows: Batch) -> dict[str, int]:
    moved, columns = flow_traffic(flows.columns), flows.columns
    began = flags(columns, "connection.opened", "connection.failed")
    lives = {f"connections.{life}": columns[f"connection.{life}"] for life in ("opened", "closed", "failed")}
    sums = lives | {
        "bytes": moved.tx_bytes,
        "reply_bytes": moved.rx_bytes,
        "retransmitted_segments": moved.retransmitted_segments,
        "sent_segments": np.add(columns["client.tx_segments"], columns["server.tx_segments"]),
        "rtt_ns.sum": moved.rtt_ns,
        "connect_latency_ns.sum": columns["connection.connect_latency_ns"][began],
        "connections.active": columns["connection.failed"] == 0,
    }
    grades = {name: columns["evidence"] == grade for name, grade in EVIDENCE.items()}
    return {name: int(column.sum()) for name, column in (sums | grades).items()}


def rtts(batches: list[Batch]) -> Histogram:
    return merged(
        batch.tables["histograms"][index] for batch in batches for index in batch.columns["rtt_ns.index"]
    )


def histogram_of(values: np.ndarray) -> Histogram:
    buckets, counts = np.unique(bucket_of(values[values != 0]), return_counts=True)
    return Histogram(dict(zip(buckets.tolist(), counts.tolist(), strict=True)))


def test_hashes_that_meet_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are compared where their hashes are the same."""
    monkeypatch.setattr("actors.workloads.ends.mixed", lambda words: np.zeros(len(words), np.uint64))
    some, same = distinct(np.array([b"a", b"b", b"a", b"b"], "S16"), np.array([0, 0, 1, 0]))
    assert len(some) == 3
    assert [some[same][row] for row in (0, 2)] == [0, 2]
    assert same[1] == same[3]


def named_server(**said: object) -> list[Workload]:
    """The servers of two flows to an address that nobody reports from, under the names 1 and 2."""
    external = {"server.address": np.void(address_bytes("203.0.113.7"))}
    flows = [flow(1, 0) | external | {"server.name.index": name} | said for name in (1, 2)]
    batch = enriched(*flows)
    reverse = {"host.name": "7.dynamic.example.net", "identity.evidence": "address"}
    node = {"k8s.node.name": "node-7", "identity.evidence": "address"}
    batch = batch.with_tables(
        entities=[*ENTITIES, reverse, node], names=["", "api.example.com", "b.example.com"]
    )
    return sorted(ends_of(row, "server") for row in rows_of(*summed(batch)))


def test_an_external_end_goes_by_the_name_that_clients_know() -> None:
    """Of one address each flow has its own; it goes before what reverse DNS says."""
    both = [Workload("api.example.com", "domain"), Workload("b.example.com", "domain")]
    assert named_server() == both
    assert named_server(**{"server.entity.index": len(ENTITIES)}) == both


@pytest.mark.parametrize(
    ("said", "workload"),
    [
        ({"server.entity.index": 2}, POSTGRES),
        ({"server.entity.index": 3}, Workload("node-a", "node")),
        ({"server.entity.index": len(ENTITIES) + 1}, Workload("node-7", "node")),
        ({"server.process.comm": b"nginx"}, Workload("nginx", "process")),
    ],
)
def test_who_is_known_goes_by_no_name_of_an_address(said: dict[str, object], workload: Workload) -> None:
    """A workload, a process, or a machine that is known for sure."""
    assert named_server(**said) == [workload]


def test_addresses_of_one_name_are_one_workload() -> None:
    """However many there are, and in batches whose tables differ."""
    flows = [
        flow(1, 0) | {"server.address": np.void(address_bytes(f"203.0.113.{number}")), "server.name.index": 1}
        for number in range(9)
    ]
    other = enriched({**flows[0], "server.name.index": 2}).with_tables(names=["", "b", "api.example.com"])
    rows = rows_of(*summed(enriched(*flows), other))
    assert [ends_of(row, "server") for row in rows] == [Workload("api.example.com", "domain")]
    assert rows[0]["connections.active"] == 10


def test_names_are_folded_as_addresses_are() -> None:
    """Beyond the limit of pairs they go before workloads do."""
    flows = [flow(1, 0) | {"server.name.index": place, "client.tx_bytes": 9} for place in (1, 2, 3)]
    batch = enriched(*flows, flow(1, 2)).with_tables(names=["", "a.example", "b.example", "c.example"])
    servers = {ends_of(row, "server") for row in rows_of(*summed(batch, pairs=2))}
    assert servers == {POSTGRES, OTHER}


def test_connections_of_an_end_that_does_not_read_are_counted_by_whom_they_hold_up() -> None:
    """A client's zero window is the server's doing."""
    held_up = flow(1, 2, client_zero_window=1)
    (row,) = rows_of(*summed(enriched(held_up, held_up, flow(1, 2, server_zero_window=1), flow(1, 2))))
    assert (row["zero_windows"], row["reply_zero_windows"]) == (2, 1)
