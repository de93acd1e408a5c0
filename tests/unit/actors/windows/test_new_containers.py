"""Containers that are seen for the first time are waited for, once."""

from actors.windows.new_containers import NewContainers
from model.enricher import Entity


class Cluster:
    """Knows some containers, and may learn of the others."""

    version = 0

    def __init__(self, *known: str) -> None:
        self.known = known

    def enriched(self, entity: Entity, at_ns: int) -> Entity:
        """As it is."""
        return entity

    def by_address(self, address: str, at_ns: int) -> Entity:
        """Nobody."""
        return {}

    def awaits(self, entity: Entity, at_ns: int) -> bool:
        """Whoever is not known."""
        return entity["container.id"] not in self.known


def container(name: str) -> Entity:
    return {"container.id": name}


def test_who_is_not_known_is_waited_for_once() -> None:
    """In the first window with a row of it; those that are known, and processes of no container, never."""
    new = NewContainers(Cluster("known"))
    assert not new.among([{}, container("known"), {"process.pid": "7"}], 1)
    assert new.among([{}, container("known"), container("new")], 2)
    assert not new.among([{}, container("new")], 3)


def test_nobody_is_waited_for_where_nothing_can_tell() -> None:
    """Without a cluster."""
    assert not NewContainers(None).among([container("new")], 1)


def test_what_is_remembered_is_bounded() -> None:
    """Who was not seen for longest is forgotten, and waited for once more."""
    new = NewContainers(Cluster(), containers=2)
    for name in ("a", "b", "a", "c"):
        new.among([container(name)], 1)
    assert not new.among([container("a")], 2)
    assert new.among([container("b")], 2)
