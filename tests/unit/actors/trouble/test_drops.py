"""Why packets were dropped: by edge and reason, over some ticks, and in words."""

from actors.trouble.counted import Counted, decoded, encoded
from actors.trouble.drops import DropKey, Drops
from model.batch import Batch
from model.enricher import Entity
from model.kinds.drop import Dropped
from tailrace.testing.flows import flows_of
from tests.unit.actors.trouble.test_shared_watch import told

WEB: Entity = {"k8s.workload.name": "web", "k8s.workload.kind": "Deployment", "k8s.namespace.name": "shop"}
DB: Entity = {**WEB, "k8s.workload.name": "db"}
EDGE, OTHER = "shop/web > shop/db:5432", "shop/db > shop/web:80"


def why(netns: str, category: str = "netfilter", hook: str = "INPUT", node: str = "n1") -> Dropped:
    return Dropped("", category, category.upper(), hook, "nft_do_chain", node, netns)


def flows(*rows: tuple[str, int, Dropped]) -> Batch:
    """Of an edge, so many packets of which were dropped for this reason."""
    reasons = [Dropped(), *(reason for _, _, reason in rows)]
    columns = [
        {
            "client.entity.index": 1 if edge == EDGE else 2,
            "server.entity.index": 2 if edge == EDGE else 1,
            "server.port": int(edge.rpartition(":")[2]),
            "dropped_segments": packets,
            "drop.index": place if packets else 0,
        }
        for place, (edge, packets, _) in enumerate(rows, 1)
    ]
    return flows_of(*columns).with_tables(entities=[{}, WEB, DB], dropped=reasons)


def ticked(*ticks: Batch, most: int = 1000) -> Drops:
    drops = Drops(most=most)
    for tick in ticks:
        drops.add([tick])
        drops.end_tick()
    return drops


def test_one_reason_of_one_namespace_is_named() -> None:
    drops = ticked(
        flows((EDGE, 7, why("401")), (OTHER, 90, why("402")), (EDGE, 5, why("401")), (EDGE, 0, why("9")))
    )
    assert drops.words({EDGE}, 12, 10) == "by netfilter in namespace 401 of n1, chain INPUT (12 packets)"
    assert drops.words({"a > b:1"}, 12, 10) == ""


def test_namespaces_and_nodes_are_counted_where_there_are_several() -> None:
    one, two = why("401"), why("402")
    assert ticked(flows((EDGE, 7, one), (EDGE, 5, two))).words({EDGE}, 12, 10) == (
        "by netfilter in 2 namespaces of n1, chain INPUT (12 packets)"
    )
    far = why("401", node="n2")
    words = ticked(flows((EDGE, 7, one), (EDGE, 5, far))).words({EDGE, OTHER}, 12, 10)
    assert words == "by netfilter in 2 namespaces of 2 nodes, chain INPUT (12 packets)"
    nowhere = why("", "neighbour", "")
    assert ticked(flows((EDGE, 9, nowhere))).words({EDGE}, 12, 10) == (
        "because the neighbour does not answer on n1 (9 packets)"
    )


def test_the_two_main_reasons_are_told_and_stray_ones_are_not() -> None:
    rows = [
        (EDGE, 50, why("401")),
        (EDGE, 30, why("401", hook="OUTPUT")),
        (EDGE, 3, why("401", "checksum", "")),
    ]
    words = ticked(flows(*rows)).words({EDGE}, 12, 100)
    assert [part.rpartition(", ")[2] for part in words.split("; ")] == [
        "chain INPUT (50 packets)",
        "chain OUTPUT (30 packets)",
    ]


def test_few_packets_are_no_reason() -> None:
    drops = ticked(flows((EDGE, 9, why("401"))))
    assert drops.words({EDGE}, 12, 90)
    assert not drops.words({EDGE}, 12, 91)
    assert not ticked(flows((EDGE, 4, why("401")))).words({EDGE}, 12, 1)


def test_only_the_last_ticks_count() -> None:
    drops = ticked(flows((EDGE, 9, why("401"))), flows((EDGE, 8, why("402"))))
    assert "namespace 402" in drops.words({EDGE}, 1, 1)
    assert "(17 packets)" in drops.words({EDGE}, 2, 1)


def test_beyond_the_limit_the_fewest_are_left_out_and_counted() -> None:
    rows = [(EDGE, packets, why(f"{packets}")) for packets in range(1, 6)]
    drops = ticked(flows(*rows), most=3)
    assert drops.words({EDGE}, 1, 1) == "by netfilter in 3 namespaces of n1, chain INPUT (12 packets)"
    assert drops.left_out == 2


def test_what_engines_counted_is_added_up() -> None:
    """Over the bus; an engine of before does not tell it."""
    whole = Drops()
    for packets in (5, 6):
        drops = Drops()
        drops.add([flows((EDGE, packets, why("401")))])
        counted = Counted(**{**vars(told(7)), "drops": drops.end_tick()})
        (data,) = encoded(counted, 1 << 16)
        assert decoded(data).drops == [
            (DropKey(EDGE, "netfilter", "NETFILTER", "INPUT", "n1", "401"), packets)
        ]
        whole.add_counted(decoded(data).drops)
    whole.end_tick()
    assert "(11 packets)" in whole.words({EDGE}, 1, 1)
