"""Enrichers of other packages beside ours: who is asked, whose word stands, and that each is started once."""

from enrichers.cloud.config import CloudConfig
from enrichers.cloud.place import CloudPlace
from enrichers.cluster import ClusterIdentity
from enrichers.docker.config import DockerConfig
from enrichers.docker.containers import Containers
from enrichers.node import NodeIdentity
from enrichers.process.config import ProcessConfig
from enrichers.process.processes import Processes
from model.enricher import KeyKind
from tests.scripted_enricher import ScriptedEnricher

UNIT = "/system.slice/app.service"


def node_with(*others: ScriptedEnricher) -> NodeIdentity:
    processes, containers = Processes(ProcessConfig()), Containers(DockerConfig(enabled="off"))
    return NodeIdentity("n1", processes, containers, CloudPlace(CloudConfig()), others)


def test_what_ours_say_goes_before_on_the_node() -> None:
    """Of two others the first is surer, and what one says of the process goes before what it says of the cgroup."""
    first = ScriptedEnricher(
        "first", {(KeyKind.CGROUP, UNIT): {"systemd.unit": "wrong", "team": "cgroup", "owner": "first"}}
    )
    second = ScriptedEnricher(
        "second",
        {
            (KeyKind.CGROUP, UNIT): {"owner": "second", "cost": "7"},
            (KeyKind.PROCESS, "42"): {"cost": "8"},
        },
    )
    assert node_with(first, second).attributes(42, 0, UNIT, 1) == {
        "systemd.unit": "app.service",
        "team": "cgroup",
        "owner": "first",
        "cost": "8",
    }


async def test_the_node_asks_those_that_know_its_processes() -> None:
    """One that answers for addresses alone is neither started nor counted there."""
    mine = ScriptedEnricher("mine", {(KeyKind.PROCESS, "42"): {"team": "a"}})
    strange = ScriptedEnricher("strange", {(KeyKind.ADDRESS, "192.0.2.1"): {"team": "b"}})
    node = node_with(mine, strange)
    await node.start()
    await node.close()
    assert (mine.nodes, mine.closed, strange.nodes, strange.closed) == (["n1"], 1, [], 0)
    assert "mine" in node.statistics()
    assert "strange" not in node.statistics()


async def test_who_is_asked_in_two_places_is_started_once() -> None:
    """The containers of a node answer for addresses too: the cluster asks them, and leaves them to the node."""
    both = ScriptedEnricher(
        "both", {(KeyKind.PROCESS, "42"): {"team": "a"}, (KeyKind.ADDRESS, "192.0.2.1"): {"team": "b"}}
    )
    strange = ScriptedEnricher("strange", {(KeyKind.ADDRESS, "192.0.2.1"): {"team": "c", "owner": "x"}})
    node = node_with(both, strange)
    cluster = ClusterIdentity([node.containers, *node.others], "n1", shared=node.enrichers)
    for identity in (node, cluster):
        await identity.start()
    assert cluster.by_address("192.0.2.1", 1) == {"team": "b", "owner": "x"}
    for identity in (node, cluster):
        await identity.close()
    assert [(one.nodes, one.closed) for one in (both, strange)] == [(["n1"], 1)] * 2
    assert list(cluster.statistics()) == ["strange"]
