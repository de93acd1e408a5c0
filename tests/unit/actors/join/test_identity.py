"""Identity of flows: what nodes say, what the cluster adds, and who a stranger's address belongs to."""

from dataclasses import replace
from typing import Any

from actors.join.joiner import Joiner
from model.batch import Batch
from model.enricher import Entity
from model.kinds.delta import Role
from model.ledger import Ledger
from tests.nat_events import batch_of, socket_row
from tests.plain_rows import plain_rows

CLIENT, SERVER = ("10.0.0.5", 40000), ("10.1.0.1", 8080)


class Cluster:
    """Knows what a test wrote, at the time from which it was so."""

    def __init__(self) -> None:
        self.version = 0
        self.pods: dict[str, str] = {}
        self.addresses: dict[str, list[tuple[int, str]]] = {}

    def enriched(self, entity: Entity, at_ns: int) -> Entity:
        """With its pod."""
        pod = self.pods.get(entity.get("container.id", ""))
        return {**entity, "k8s.pod.name": pod} if pod else entity

    def awaits(self, entity: Entity, at_ns: int) -> bool:
        """Nobody."""
        return False

    def by_address(self, address: str, at_ns: int) -> Entity:
        """The pod that had the address last."""
        held = [pod for since, pod in self.addresses.get(address, []) if since * 10**9 <= at_ns]
        return {"k8s.pod.name": held[-1]} if held else {}


def client(**values: Any) -> dict[str, Any]:
    return socket_row(CLIENT, SERVER, Role.CLIENT, socket__slot=1, socket__generation=1, **values)


def batch(window: int, row: dict[str, Any], *entities: Entity) -> Batch:
    return batch_of([row], window, node="node-a").with_tables(entities=[{}, *entities])


def flows(joiner: Joiner, part: Batch) -> list[dict[str, Any]]:
    joiner.add(part)
    return [row for batch in joiner.close(part.window) for row in plain_rows(batch)]


def test_a_nodes_word_and_the_clusters_stand_together() -> None:
    """The container that the node found has the pod that the cluster knows; the host is the node."""
    cluster = Cluster()
    cluster.pods["c1"] = "web-1"
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    (flow,) = flows(joiner, batch(1, client(entity__index=1), {"container.id": "c1"}))
    assert flow["client.entity"] == {"container.id": "c1", "host.name": "node-a", "k8s.pod.name": "web-1"}
    assert flow["server.entity"] == {}


def test_what_is_learnt_later_heals() -> None:
    """An open connection has its pod from the second in which it is known."""
    cluster = Cluster()
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    flows(joiner, batch(1, client(entity__index=1), {"container.id": "c1"}))
    cluster.pods["c1"], cluster.version = "web-1", 1
    (flow,) = flows(joiner, batch(2, client(entity__index=1), {"container.id": "c1"}))
    assert flow["client.entity"]["k8s.pod.name"] == "web-1"


def test_a_stranger_is_who_had_the_address_then() -> None:
    """Two connections to one address in two seconds, between which another pod got it: each has its own."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "old"), (6, "new")]
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    row = client(connection__closed=1)
    (before,) = flows(joiner, batch(4, row))
    (after,) = flows(joiner, batch(6, row | {"socket.generation": 2}))
    names = [flow["server.entity"]["k8s.pod.name"] for flow in (before, after)]
    assert names == ["old", "new"]
    assert after["server.entity"]["identity.evidence"] == "address"


def test_an_address_changes_hands_within_a_window() -> None:
    """Two connections of one second, one before and one after: each has who had the address when it was opened."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "old"), (6, "new")]
    rows = [
        socket_row((CLIENT[0], port), SERVER, Role.CLIENT, socket__slot=port, socket__generation=1)
        | {"connection.opened_at_ns": at_ns, "connection.closed": 1}
        for port, at_ns in ((1, 5_999_999_999), (2, 6_000_000_001))
    ]
    found = flows(Joiner("site", "boot", Ledger(), 64, cluster), batch_of(rows, 6))
    names = {flow["client.port"]: flow["server.entity"]["k8s.pod.name"] for flow in found}
    assert names == {1: "old", 2: "new"}


def test_a_strangers_name_is_waited_for() -> None:
    """An address that nobody knew at first is looked up again in the next second."""
    cluster = Cluster()
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    (first,) = flows(joiner, batch(1, client()))
    cluster.addresses[SERVER[0]], cluster.version = [(0, "db")], 1
    (second,) = flows(joiner, batch(2, client()))
    assert (first["server.entity"], second["server.entity"]["k8s.pod.name"]) == ({}, "db")


def test_the_right_name_takes_the_place_of_a_wrong_one() -> None:
    """Who was named is no longer known to have had the address then, once the other's beginning is told."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "old")]
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    row = client(connection__opened_at_ns=1_500_000_000)
    names = []
    for window in range(1, 5):
        (flow,) = flows(joiner, batch(window, row))
        names.append(flow["server.entity"]["k8s.pod.name"])
        if window == 2:
            cluster.addresses[SERVER[0]], cluster.version = [(0, "old"), (1, "new")], 1
    assert names == ["old", "old", "new", "new"]


def test_an_open_connection_keeps_the_name_of_its_time() -> None:
    """Neither a successor nor silence takes it away; of an adopted connection its first second counts."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "first"), (4, "second")]
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    names = []
    for window in range(1, 6):
        (flow,) = flows(joiner, batch(window, client(connection__adopted=1)))
        names.append(flow["server.entity"]["k8s.pod.name"])
        cluster.version += 1
        if window == 4:
            cluster.addresses.clear()
    assert names == ["first"] * 5


def test_a_successor_is_no_name_for_what_was_never_known() -> None:
    """Nobody had the address when the connection was opened; who gets it long after that is another."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(8, "later")]
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    row = client(connection__opened_at_ns=1_500_000_000)
    for window in range(1, 11):
        cluster.version += 1
        (flow,) = flows(joiner, batch(window, row))
        assert flow["server.entity"] == {}


def test_a_refused_connection_is_named_by_when_it_was_tried() -> None:
    """It was never open: the time of its failure, less what it took, tells who had the address."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "old"), (6, "new")]
    row = client(
        connection__failed=1,
        connection__closed_at_ns=6_000_000_001,
        connection__connect_latency_ns=2,
    )
    (flow,) = flows(Joiner("site", "boot", Ledger(), 64, cluster), batch(6, row))
    assert flow["server.entity"]["k8s.pod.name"] == "old"


def test_the_end_itself_goes_before_its_address() -> None:
    """Once the server's own node reports, its word stands."""
    cluster = Cluster()
    cluster.addresses[SERVER[0]] = [(0, "guess")]
    joiner = Joiner("site", "boot", Ledger(), 64, cluster)
    flows(joiner, batch(1, client()))
    row = socket_row(SERVER, CLIENT, Role.SERVER, socket__slot=2, socket__generation=1, entity__index=1)
    (flow,) = flows(joiner, replace(batch(2, row, {"container.id": "c9"}), node="node-b"))
    assert flow["server.entity"] == {"container.id": "c9", "host.name": "node-b"}


def test_a_node_that_starts_again_leaves_nothing_behind() -> None:
    """Its sockets are adopted anew and meet the other ends that stayed."""
    ledger = Ledger()
    joiner = Joiner("site", "boot", ledger, 64)
    server = socket_row(SERVER, CLIENT, Role.SERVER, socket__slot=2, socket__generation=1)
    joiner.add(replace(batch_of([server], 1, node="b"), boot="b1"))
    flows(joiner, batch(1, client()))
    (flow,) = flows(joiner, replace(batch(2, client() | {"connection.adopted": 1}), boot="a2"))
    assert (flow["client.boot"], flow["server.boot"], len(joiner)) == ("a2", "b1", 1)
    assert ledger.stages["join"].noted["restarts"] == 1


def test_what_comes_late_of_an_earlier_start_forgets_nothing() -> None:
    """Partitions are not read equally far: a second of before the new start may come after one of it."""
    ledger = Ledger()
    joiner = Joiner("site", "boot", ledger, 64)
    flows(joiner, replace(batch(9, client()), boot="a2"))
    late = client() | {"network.local.port": 50000, "socket.generation": 7}
    flows(joiner, replace(batch(7, client()), boot="a2"))
    flows(joiner, replace(batch(8, late), boot="a1"))
    (flow,) = flows(joiner, replace(batch(10, client()), boot="a2"))
    assert (flow["connection.opened"], flow["client.boot"], len(joiner)) == (0, "a2", 2)
    assert ledger.stages["join"].noted["restarts"] == 0
