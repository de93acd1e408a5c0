"""Trouble that is too thin for any edge: one instance of many, called by many."""

from collections.abc import Iterator

import numpy as np

from actors.incidents.items import Trouble
from actors.items import Window
from actors.trouble.instances import Instance
from actors.trouble.items import Look
from actors.trouble.watch import Watch
from model.batch import Batch
from model.kinds.workload import OTHER, WORKLOAD, Workload
from model.ledger import Ledger

CLIENTS, PODS, CALLS, TAUGHT = 15, 12, 4, 400
TABLE = [
    OTHER,
    *(Workload(f"web{number}", "Deployment", "shop", "a", "1") for number in range(CLIENTS)),
    *(
        Instance("cart", "Deployment", "shop", "a", "7", f"n{pod % 5}", "", f"cart-{pod}")
        for pod in range(PODS)
    ),
]
CLIENT, SERVER = (ends.ravel() for ends in np.meshgrid(1 + np.arange(CLIENTS), 1 + CLIENTS + np.arange(PODS)))
ILL = SERVER == 1 + CLIENTS


def window(second: int, chance: np.random.Generator, share: float) -> Window:
    """Every client calls every pod; of connects to the first one a share fails."""
    columns = WORKLOAD.empty(len(CLIENT))
    failed = chance.binomial(CALLS, np.where(ILL, share, 0.001))
    for name, values in {
        "client.workload.index": CLIENT,
        "server.workload.index": SERVER,
        "connections.failed": failed,
        "connections.opened": CALLS - failed,
        "connections.failed.refused": failed,
    }.items():
        columns[name][:] = values
    columns["server.port"][:] = 80
    return Window(second, (Batch(WORKLOAD, "n", "b", second, 1, columns, {"workloads": TABLE}),))


def troubles(watch: Watch, seconds: range, chance: np.random.Generator, share: float) -> Iterator[Trouble]:
    for second in seconds:
        for look in watch.handle(window(second, chance, share)):
            if isinstance(look, Look):
                yield from look.tick.troubles


def test_one_pod_of_twelve_is_found_and_named_though_no_edge_has_a_finding() -> None:
    chance, watch = np.random.default_rng(1), Watch(Ledger(), tick_s=1)
    assert not list(troubles(watch, range(TAUGHT), chance, 0.001))
    told = list(troubles(watch, range(TAUGHT, TAUGHT + 6), chance, 0.6))
    assert {each.where.get("server.instance") for each in told} == {"cart-0"}
    assert {each.subject for each in told} == {"shop/cart"}
    assert {each.reason for each in told} == {"refused"}
    hit = frozenset().union(*(each.edges for each in told))
    assert hit == {f"shop/web{number} > shop/cart:80" for number in range(CLIENTS)}
