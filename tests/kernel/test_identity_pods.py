"""Pods by their address from the API server to the rows, also where the address has several in one second."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.beds.cgroups import cgroup
from tests.beds.flows import Row, second
from tests.beds.pod_scenes import Scene, scene
from tests.beds.pods import PORT, Pod, entity_of, sketch
from tests.beds.watch import scaled
from tests.integration.kubernetes.objects import PodSketch
from tests.nats_server import NatsServer, nats_server

__all__ = ["nats_server"]

pytestmark = pytest.mark.kernel

PODS: Final = 6
CALLS: Final = scaled(5)
#: The port of the first connection that is refused.
REFUSED: Final = 20_000


@pytest.fixture(params=["run", "engine"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """One process, and an engine with an agent."""
    server: NatsServer | None = None
    if request.param == "engine":
        server = request.getfixturevalue("nats_server")
    with scene(tmp_path, server) as playing:
        yield playing


def called(row: Row, *pods: Pod) -> str:
    """The pod whose attributes, all of them, a row has at its server's end; else what is there instead."""
    entity = row.get("server.entity", {})
    expected = (entity_of(pod.sketch) | {"identity.evidence": "address"} for pod in pods)
    names = [pod["k8s.pod.name"] for pod in expected if pod.items() <= entity.items()]
    return names[0] if names else str(entity or "nobody")


def test_pods_of_one_second_have_their_own_connections(play: Scene) -> None:
    """An address goes from pod to pod several times a second: each connection, taken or refused, has its own pod."""
    pods = [play.place.pod(f"pod-{number}") for number in range(PODS)]
    client, keeper = play.place.caller("client"), play.place.caller("keeper")
    play.appear(pods[0])
    keeper.call("kept", play.place.address, PORT, 1, hold=True)
    for number, pod in enumerate(pods):
        play.call(client, pod, CALLS)
        play.place.refused(REFUSED + number)
        if pod is not pods[-1]:
            play.vanish(pod)
            play.appear(pods[number + 1])
    keeper.end()
    play.await_ended(PODS * (CALLS + 1) + 1)
    truth = play.place.truth(client) | {REFUSED + number: f"pod-{number}" for number in range(PODS)}
    named = {rows[0]["client.port"]: {called(row, *pods) for row in rows} for rows in play.flows()}
    (kept,) = named.keys() - truth.keys()
    truth[kept] = "pod-0"
    assert named == {port: {pod} for port, pod in truth.items()}
    seconds = {(second(rows[0]), truth[rows[0]["client.port"]]) for rows in play.flows()}
    assert len({at for at, _ in seconds}) < len(seconds), "no second had two pods"


def container_of(pod: PodSketch) -> dict[str, str]:
    """What the cgroup of its container tells of a pod."""
    return {"container.id": pod.container_id(), "k8s.pod.uid": pod.uid, "k8s.pod.qos_class": "besteffort"}


def test_pods_that_are_told_late_have_their_names_from_then_on(play: Scene) -> None:
    """A connection is older than what the API says of its ends: each has its pod once the API tells of it."""
    pod, caller = play.place.pod("late"), sketch("caller", play.place.client.ipv4)
    path = f"{play.place.client.namespace}/kubepods/besteffort/pod{caller.uid}/{caller.container_id()}"
    with cgroup(path) as prefix, play.place.calling("client", prefix) as client:
        play.place.lead_to(pod)
        first = play.hold(client)
        play.tell(pod.sketch, caller)
        expected = entity_of(caller) | container_of(caller)
        play.go_on(
            client,
            lambda row: expected.items() <= row["client.entity"].items() and called(row, pod) == "late",
        )
    (rows,) = play.flows()
    assert container_of(caller).items() <= rows[0]["client.entity"].items()
    assert [called(row, pod) for row in first] == ["nobody"] * len(first)
    callers = [row["client.entity"].get("k8s.pod.name", "nobody") for row in rows]
    for names, name in ((callers, "caller"), ([called(row, pod) for row in rows], "late")):
        assert names == ["nobody"] * names.count("nobody") + [name] * names.count(name)


@pytest.mark.parametrize("play", ["run"], indirect=True)
def test_the_right_pod_takes_the_place_of_one_whose_end_was_told_late(play: Scene) -> None:
    """The API shows a pod whose address is another's already: once it tells, the connection has the other one."""
    old, new = play.place.pod("old"), play.place.pod("new")
    client = play.place.caller("client")
    play.appear(old)
    play.call(client, old, CALLS)
    play.place.remove(old)
    finished = old.sketch.finished or 0
    play.seer.await_that(lambda: time.time() >= int(finished) + 1)  # the API cuts fractions of seconds off
    play.place.lead_to(new)
    play.hold(client)
    play.api.delete(old.sketch.json())
    play.tell(new.sketch)
    play.go_on(client, lambda row: called(row, new) == "new")
    flows = [[called(row, old, new) for row in rows] for rows in play.flows()]
    assert sum(set(names) == {"old"} for names in flows) == CALLS
    (names,) = (names for names in flows if set(names) != {"old"})
    assert names == ["old"] * names.count("old") + ["new"] * names.count("new")
