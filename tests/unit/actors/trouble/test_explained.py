"""What explains troubles, among the traffic of the last ticks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from actors.detect.edges import Edges
from actors.detect.symptoms import SYMPTOMS
from actors.explain.causes import Cause, Explanation
from actors.trouble.explained import Ill, explanations, together
from actors.trouble.instances import Instance
from actors.trouble.recent import Recent
from model.batch import Batch
from model.kind import Kind
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import OTHER, WORKLOAD, Workload

SERVICES, CALLS = 40, 100
TABLE = [OTHER] + [
    Workload(f"s{number}", "Deployment", "shop", zone, version)
    for number in range(SERVICES)
    for zone in "ab"
    for version in ("1", "2")
]


def observed(recent: Recent, bad: np.ndarray, client: np.ndarray, server: np.ndarray) -> list[Ill]:
    """A tick in which rows of the mask failed nine of ten; the edges that have some."""
    columns = WORKLOAD.empty(len(bad))
    columns["client.workload.index"][:], columns["server.workload.index"][:] = client, server
    columns["connections.failed"][:] = np.where(bad, 9, 0)
    columns["connections.opened"][:] = 10 - columns["connections.failed"]
    edges = Edges()
    batch = Batch(WORKLOAD, "n", "b", 0, 0, columns, {"workloads": TABLE})
    seen = edges.observe([batch], told=recent.add)
    recent.end_tick()
    names = {int(id_): edges.name(int(id_)) for id_ in seen.ids[seen.bad[:, 0] > 0]}
    return [Ill(id_, name.client, name.server, 0.001, 3) for id_, name in names.items() if name]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("zone", {"server.zone": "b"}),
        ("zone at either end", {"zone": "b"}),
        ("server", {"server.workload": "shop/s5"}),
        ("client", {"client.workload": "shop/s7"}),
        ("version", {"server.workload": "shop/s5", "server.version": "2"}),
    ],
)
def test_each_edge_has_the_cause_that_was_made(case: str, expected: dict[str, str]) -> None:
    """Also edges that have neither client nor server in common with others."""
    chance = np.random.default_rng(5)
    client, server = 1 + chance.integers(0, len(TABLE) - 1, (2, SERVICES * CALLS))
    service = {"client": (client - 1) // 4, "server": (server - 1) // 4}
    bad = {
        "zone": (server - 1) % 4 >= 2,
        "zone at either end": ((server - 1) % 4 >= 2) | ((client - 1) % 4 >= 2),
        "server": service["server"] == 5,
        "client": service["client"] == 7,
        "version": (service["server"] == 5) & ((server - 1) % 2 == 1),
    }[case]
    recent = Recent(len(SYMPTOMS))
    ill = observed(recent, bad, client, server)
    told = explanations(recent, 0, ill)
    assert {each.id for each in ill} == set(told)
    assert all(each.causes[0].where == expected for each in told.values())


def test_strangers_share_no_blame() -> None:
    """Two faults at once: each edge is told its own cause, which explains all of what is ill around it."""
    client = np.array([1, 1, 9, 9] * 50)
    server = np.array([5, 6, 13, 14] * 50)
    ill = observed(recent := Recent(len(SYMPTOMS)), np.isin(server, (6, 13)), client, server)
    told = {
        each.server[2]: explanation for each in ill for explanation in [explanations(recent, 0, ill)[each.id]]
    }
    assert told["s1"].causes[0].where == {"server.version": "2"}
    assert told["s3"].causes[0].where == {"server.version": "1"}
    assert [round(each.causes[0].explains) for each in told.values()] == [1, 1]


@pytest.mark.parametrize("everywhere", [True, False], ids=["all", "a part of the fleet"])
def test_everything_is_the_cause_only_where_most_of_the_fleet_is_ill(everywhere: bool) -> None:
    """Half of all calls fail, or of those among a quarter of the services that call nobody else."""
    chance = np.random.default_rng(5)
    calls = SERVICES * CALLS
    quarter = chance.integers(1, len(TABLE) // 4, (2, calls))
    others = chance.integers(len(TABLE) // 4 + 4, len(TABLE), (2, 2 * calls))
    client, server = np.concatenate((quarter, others), axis=1)
    bad = (everywhere | (np.arange(len(client)) < calls)) & (chance.random(len(client)) < 0.5)
    ill = observed(recent := Recent(len(SYMPTOMS)), bad, client, server)
    told = explanations(recent, 0, ill).values()
    assert {each.everywhere for each in told} == {everywhere}
    assert {str(each.causes[0].where) for each in told} == {"{}"}


@pytest.mark.parametrize(
    ("version", "expected"), [(None, {"zone": "b"}), ("2", {"server.version": "2"})], ids=["all", "a version"]
)
def test_strangers_have_the_cause_of_the_others_unless_their_own_tells_more(
    version: str | None, expected: dict[str, str]
) -> None:
    """Zone b fails at either end, and so do calls of one service within it that nobody else has to do with: all of
    them, or those to one of two versions.
    """
    chance = np.random.default_rng(7)
    usual, strange = np.arange(1, len(TABLE) - 8), len(TABLE) - 8
    client, server = chance.choice(usual, (2, SERVICES * CALLS))
    bad = np.array(
        ["b" in (TABLE[one].zone, TABLE[two].zone) for one, two in zip(client, server, strict=True)]
    )
    caller, callee = strange + 2, strange + 4 + 2  # each of version 1, in zone b; version 2 is next
    to = np.repeat([callee, callee + 1], 50)
    client, server = np.concatenate((client, np.full(100, caller))), np.concatenate((server, to))
    bad = np.concatenate((bad, to == callee + 1 if version else np.ones(100, np.bool_)))
    ill = observed(recent := Recent(len(SYMPTOMS)), bad, client, server)
    (own,) = (each for each in ill if each.client[2] == "s38")
    others = list(explanations(recent, 0, [each for each in ill if each is not own]).values())
    assert {str(each.causes[0].where) for each in others} == {str({"zone": "b"})}
    told, _ = together(recent, 0, [own], others)
    assert told[own.id].causes[0].where == expected
    alone, _ = together(recent, 0, [own])
    assert alone.get(own.id) is None or alone[own.id].causes[0].where != {"zone": "b"}


def test_a_version_of_others_is_no_cause_of_a_stranger() -> None:
    """All that is called fails, and is of a version of that name."""
    known = Explanation([Cause({"server.version": "1"}, 9.0, 9, 9, 0, 1.0, 0.0, [])])
    ends = np.array([1] * 50)
    (own,) = observed(recent := Recent(len(SYMPTOMS)), np.ones(50, np.bool_), ends, ends + 4)
    told, _ = together(recent, 0, [own], [known])
    assert told[own.id].causes[0].where != {"server.version": "1"}


def rows_of(kind: Kind, table: Sequence[Any], columns: dict[str, Any], **tables: Any) -> Batch:
    """A second's."""
    made = kind.empty(len(columns["server.workload.index"]))
    for name, values in columns.items():
        made[name][:] = values
    return Batch(kind, "n", "b", 0, 0, made, {"workloads": table, **tables})


def ill_edges(edges: Edges, recent: Recent, batch: Batch, symptom: int) -> list[Ill]:
    seen = edges.observe([batch], told=recent.add)
    recent.end_tick()
    ids = seen.ids[seen.bad[:, symptom] > 0].tolist()
    return [Ill(id_, name.client, name.server, 0.001, 3) for id_ in ids if (name := edges.name(id_))]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({"pod-1"}, {"server.instance": "pod-1"}),
        ({"pod-2", "pod-5", "pod-8"}, {"server.node": "n2"}),
        ({f"pod-{number}" for number in range(9)}, {}),
    ],
)
def test_pods_and_machines_are_causes(bad: set[str], expected: dict[str, str]) -> None:
    """Three workloads have a pod on each machine."""
    caller = Instance("web", "Deployment", "shop", "a", "1", "n9", "", "web-1")
    table = [OTHER, caller]
    table += [
        Instance(f"s{number // 3}", "Deployment", "shop", "a", "1", f"n{number % 3}", "", f"pod-{number}")
        for number in range(9)
    ]
    failed = [90 if each.instance in bad else 0 for each in table[2:] if isinstance(each, Instance)]
    columns = {
        "client.workload.index": 1,
        "server.workload.index": range(2, 11),
        "connections.failed": failed,
        "connections.failed.refused": failed,
        "connections.opened": [100 - each for each in failed],
    }
    recent = Recent(len(SYMPTOMS))
    ill = ill_edges(Edges(), recent, rows_of(WORKLOAD, table, columns), 0)
    told = explanations(recent, 0, ill)
    assert [each.causes[0].where for each in told.values()] == [expected] * len(ill)
    assert set(recent.reasons([each.id for each in ill], 3).values()) == {"refused"}


@pytest.mark.parametrize(("ill_zones", "zones"), [("ab", "abc"), ("ab", "abcd"), ("abc", "abcdef")])
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_zones_that_fail_alike_are_causes_of_all_edges(ill_zones: str, zones: str, seed: int | None) -> None:
    """All of them, in the same order for each: also where their shares are the very same (no seed)."""
    chance = None if seed is None else np.random.default_rng(seed)
    table = [OTHER, Instance("db", "Deployment", "shop", "x", "1", "n9", "", "db-0")]
    table += [
        Instance(f"s{service}", "Deployment", "shop", zone, "1", f"n{service}{zone}", "", f"p{service}{zone}")
        for service in range(5)
        for zone in zones
    ]
    ill = [zone in ill_zones for _ in range(5) for zone in zones]
    failed = [each and (50 if chance is None else int(chance.binomial(100, 0.5))) for each in ill]
    columns = {
        "client.workload.index": 1,
        "server.workload.index": range(2, len(table)),
        "connections.failed": failed,
        "connections.opened": [100 - each for each in failed],
    }
    recent = Recent(len(SYMPTOMS))
    edges = ill_edges(Edges(), recent, rows_of(WORKLOAD, table, columns), 0)
    told = list(explanations(recent, 0, edges).values())
    assert len(told) == len(edges) == 5
    assert {cause.where["server.zone"] for cause in told[0].causes} == set(ill_zones)
    assert all([each.where for each in one.causes] == [each.where for each in told[0].causes] for one in told)
    assert all(sum(cause.explains for cause in one.causes) == pytest.approx(1, abs=0.01) for one in told)


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_region_is_the_cause_if_all_of_its_zones_fail(side: str) -> None:
    """Five workloads have a pod in each of two zones of both regions, and call a database, or are called."""
    table = [OTHER, Instance("db", "Deployment", "shop", "x", "1", "n9", "", "db-0", "south")]
    table += [
        Instance(
            f"s{number // 4}", "Deployment", "shop", zone, "1", f"n{number % 4}", "", f"p{number}", zone[:-1]
        )
        for number in range(20)
        for zone in [("east1", "east2", "west1", "west2")[number % 4]]
    ]
    failed = [90 if each.region == "west" else 0 for each in table[2:] if isinstance(each, Instance)]
    columns = {
        f"{side}.workload.index": range(2, 22),
        f"{'server' if side == 'client' else 'client'}.workload.index": [1] * 20,
        "connections.failed": failed,
        "connections.opened": [100 - each for each in failed],
    }
    recent = Recent(len(SYMPTOMS))
    ill = ill_edges(Edges(), recent, rows_of(WORKLOAD, table, columns), 0)
    told = explanations(recent, 0, ill)
    assert [set(each.causes[0].where.values()) for each in told.values()] == [{"west"}] * len(ill)
    assert {name for each in told.values() for name in each.causes[0].where} <= {"region", f"{side}.region"}


def test_an_image_of_a_version_is_the_cause() -> None:
    """It was built anew under the same version: two of four pods have it, each on a machine of its own."""
    table = [OTHER, Instance("web", "Deployment", "shop", "a", "1", "n9", "", "web-1")]
    table += [
        Instance("s", "Deployment", "shop", "a", "1", f"n{number}", f"shop/s:{number % 2}", f"pod-{number}")
        for number in range(4)
    ]
    columns = {
        "client.workload.index": 1,
        "server.workload.index": range(2, 6),
        "connections.failed": [0, 90, 0, 90],
        "connections.opened": [100, 10, 100, 10],
    }
    recent = Recent(len(SYMPTOMS))
    ill = ill_edges(Edges(), recent, rows_of(WORKLOAD, table, columns), 0)
    (told,) = explanations(recent, 0, ill).values()
    assert told.causes[0].where == {"server.image": "shop/s:1"}


def test_a_route_that_fails_is_the_cause() -> None:
    """Requests that a proxy passed on are those to the proxy."""
    table = [OTHER, Workload("web", "Deployment", "shop"), Workload("api", "Deployment", "shop")]
    columns = {
        "client.workload.index": 1,
        "server.workload.index": [2, 2, 2],
        "route.index": [1, 2, 1],
        "via.index": [0, 0, 1],
        "http.request.method": 1,
        "requests": [100, 100, 100],
        "requests.failed": [80, 0, 0],
    }
    batch = rows_of(ENDPOINT, table, columns, routes=["", "/pay", "/list"])
    symptom = [each.name for each in SYMPTOMS].index("failed requests")
    edges, recent = Edges(), Recent(len(SYMPTOMS))
    edges.observe([batch], told=recent.add)
    recent.end_tick()
    (id_,) = edges.observe([batch]).ids.tolist()
    name = edges.name(id_)
    assert name is not None
    (told,) = explanations(recent, symptom, [Ill(id_, name.client, name.server, 0.001, 3)]).values()
    assert (told.causes[0].where, told.causes[0].total) == ({"route": "/pay"}, 100)


def test_traffic_beyond_the_limit_is_forgotten_and_counted() -> None:
    recent = Recent(len(SYMPTOMS), most=10)
    rows = np.arange(1, 9)
    for _ in range(3):
        observed(recent, rows > 4, rows, rows + 1)
    assert (len(recent), recent.forgotten) == (8, 16)
