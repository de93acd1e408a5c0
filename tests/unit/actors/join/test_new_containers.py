"""Containers that are seen for the first time are waited for, once."""

from actors.join.new_containers import Newcomers
from model.enricher import Entity


class Cluster:
    """Knows some containers, and may learn of the others."""

    version = 0

    def __init__(self, *known: str) -> None:
        self.known = known

    def enriched(self, entity: Entity, at_ns: int) -> Entity:
        """As it is."""
        return entity

    def stranger(self, address: str, at_ns: int) -> Entity:
        """Nobody."""
        return {}

    def awaits(self, entity: Entity, at_ns: int) -> bool:
        """Whoever is not known."""
        return entity["container.id"] not in self.known


def container(name: str) -> Entity:
    return {"container.id": name}


def test_who_is_not_known_is_waited_for_once() -> None:
    """In the first window with a row of it; those that are known, and processes of no container, never."""
    newcomers = Newcomers(Cluster("known"))
    assert not newcomers.among([{}, container("known"), {"process.pid": "7"}], 1)
    assert newcomers.among([{}, container("known"), container("new")], 2)
    assert not newcomers.among([{}, container("new")], 3)


def test_nobody_is_waited_for_where_nothing_can_tell() -> None:
    """Without a cluster."""
    assert not Newcomers(None).among([container("new")], 1)


def test_what_is_remembered_is_bounded() -> None:
    """Who was not seen for longest is forgotten, and waited for once more."""
    newcomers = Newcomers(Cluster(), containers=2)
    for name in ("a", "b", "a", "c"):
        newcomers.among([container(name)], 1)
    assert not newcomers.among([container("a")], 2)
    assert newcomers.among([container("b")], 2)
