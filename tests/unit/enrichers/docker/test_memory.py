"""What the daemon says, in any order, and when it was so."""

from typing import Any

import pytest

from enrichers.docker.facts import ContainerFacts, ImageFacts
from enrichers.docker.memory import REMEMBERED_NS, DockerMemory
from model.enricher import KeyKind
from model.intervals import Intervals

IMAGE = ImageFacts(("app:1",), ("app@sha256:1",))


class Docker:
    """A memory and the words that come to it."""

    def __init__(self) -> None:
        self.intervals = Intervals()
        self.memory = DockerMemory(self.intervals)

    def says(self, action: str, at_ns: int, container: str = "c1", **attributes: str) -> str:
        kind = "network" if action in ("connect", "disconnect") else "container"
        if kind == "network":
            actor: dict[str, Any] = {"ID": "n", "Attributes": {"container": container, "name": "bridge"}}
        else:
            actor = {"ID": container, "Attributes": {"name": "web", "image": "app:1", **attributes}}
        return self.memory.event({"Type": kind, "Action": action, "Actor": actor, "timeNano": at_ns})

    def name(self, at_ns: int, container: str = "c1") -> str | None:
        entity = self.intervals.lookup(KeyKind.CONTAINER, container, at_ns)
        return entity["container.name"] if entity else None

    def owner(self, at_ns: int, address: str = "10.0.0.2") -> str | None:
        entity = self.intervals.lookup(KeyKind.ADDRESS, address, at_ns)
        return entity["container.id"] if entity else None


@pytest.fixture
def docker() -> Docker:
    """Nothing known yet."""
    return Docker()


def with_address(container: str = "c1", created_ns: int = 10) -> ContainerFacts:
    return ContainerFacts(container, "web", "app:1", "sha256:1", created_ns, {}, {"bridge": ("10.0.0.2",)})


def test_an_event_names_at_once_and_asks_for_more(docker: Docker) -> None:
    """Name and image are there before any inspection."""
    assert docker.says("create", 100) == "c1"
    assert (docker.name(99), docker.name(100)) == (None, "web")


def test_an_inspection_adds_and_takes_nothing_away(docker: Docker) -> None:
    """Digests come with it, and stay when the container is listed or started again."""
    docker.says("create", 100)
    docker.memory.learn(with_address(), IMAGE, 100)
    docker.says("start", 150)
    docker.memory.resync([with_address()], 160, 200)
    entity = docker.intervals.lookup(KeyKind.CONTAINER, "c1", 300) or {}
    assert entity["container.image.repo_digests"] == "app@sha256:1"
    assert docker.name(100) == "web"


def test_what_is_gone_is_remembered_for_a_while(docker: Docker) -> None:
    """Its id answers for some minutes more, and an inspection that comes late does not bring it back."""
    docker.says("create", 100)
    docker.says("destroy", 200)
    docker.memory.learn(with_address(), IMAGE, 100)
    assert docker.name(200 + REMEMBERED_NS - 1) == "web"
    assert docker.name(200 + REMEMBERED_NS) is None


def test_an_address_lasts_from_joining_to_leaving(docker: Docker) -> None:
    """Whenever the inspection that tells the address comes: between the two, or after."""
    for container, at in (("c1", 100), ("c2", 300)):
        docker.says("create", at, container)
        assert docker.says("connect", at + 10, container) == container
        if container == "c1":
            docker.memory.learn(with_address(container), IMAGE, at + 20)
        docker.says("disconnect", at + 50, container)
        if container == "c2":
            docker.memory.learn(with_address(container), IMAGE, at + 20)
    owners = {at: docker.owner(at) for at in (109, 110, 149, 150, 309, 310, 349, 350)}
    assert owners == {
        109: None,
        110: "c1",
        149: "c1",
        150: None,
        309: None,
        310: "c2",
        349: "c2",
        350: None,
    }


def test_who_is_no_longer_listed_ended(docker: Docker) -> None:
    """After an absence, its address is free, or belongs to who has it now."""
    docker.memory.resync([with_address("c1", 10)], 0, 100)
    docker.memory.resync([with_address("c2", 150)], 120, 200)
    owners = {at: docker.owner(at) for at in (10, 119, 149, 150, 500)}
    assert owners == {10: "c1", 119: "c1", 149: "c1", 150: "c2", 500: "c2"}
    assert docker.name(200 + REMEMBERED_NS, "c1") is None
    docker.memory.resync([], 210, 300)
    assert docker.owner(301) is None


def test_a_container_started_again_does_not_claim_the_past(docker: Docker) -> None:
    """One created long ago that got its address during an absence has it since then only."""
    docker.memory.resync([with_address("c2", 50), ContainerFacts("c1", "old", "", created_ns=10)], 0, 100)
    docker.memory.resync([with_address("c1", 10)], 120, 200)
    assert (docker.owner(119), docker.owner(120), docker.owner(500)) == ("c2", "c1", "c1")


def test_events_of_other_kinds_ask_for_nothing(docker: Docker) -> None:
    """What changes no name and no address is left aside."""
    assert docker.says("attach", 100) == ""
    assert len(docker.intervals) == 0
