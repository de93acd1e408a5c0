"""Who is who beyond a node's own processes: Kubernetes, names given in the configuration, addresses of containers."""

from collections.abc import Sequence
from typing import Final

from enrichers.lookup import ask, start
from model.enricher import Enricher, EnricherStatistics, Entity, KeyKind

#: Attributes by which an end that its node described is looked up further.
_CONTAINER: Final = "container.id"
_HOST: Final = "host.name"


class ClusterIdentity:
    """Puts enrichers together: what is surer goes over what is less so.

    :param enrichers: the surest first; each is asked for the kinds of keys that it answers.
    :param node: the name of this node; empty in an engine.
    :param shared: those of them that somebody else starts and closes.
    """

    def __init__(
        self, enrichers: Sequence[Enricher], node: str = "", shared: Sequence[Enricher] = ()
    ) -> None:
        self._enrichers = list(enrichers)
        self._node = node
        self._own = [enricher for enricher in enrichers if enricher not in shared]
        self._replaced = 0

    async def start(self) -> None:
        """Begins to watch all sources; returns at once.

        :raises TailraceError: for what the user has to fix.
        """
        for enricher in self._own:
            await start(enricher, self._node)

    async def close(self) -> None:
        """Ends all that start() began."""
        for enricher in self._own:
            await enricher.close()

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed."""
        return self._replaced + sum(enricher.version for enricher in self._enrichers)

    def replace(self, enricher: Enricher) -> None:
        """Ask another enricher of this name from now on, one that has nothing to watch."""
        for held in (self._enrichers, self._own):
            held[:] = [enricher if each.name == enricher.name else each for each in held]
        self._replaced += 1

    def enriched(self, entity: Entity, at_ns: int) -> Entity:
        """What a node says of an end, with what is known of its container and its node.

        The node's own word on the process and its container stands; Kubernetes's on the workload is added.
        """
        host = self._lookup(KeyKind.NODE, entity.get(_HOST, ""), at_ns)
        container = self._lookup(KeyKind.CONTAINER, entity.get(_CONTAINER, ""), at_ns)
        return {**host, **container, **entity}

    def awaits(self, entity: Entity, at_ns: int) -> bool:
        """Whether a source that is heard has not told of the container of such an end, and may in a moment."""
        container = entity.get(_CONTAINER, "")
        asked = (e for e in self._enrichers if KeyKind.CONTAINER in e.kinds and e.live)
        return bool(container) and any(not ask(e, KeyKind.CONTAINER, container, at_ns) for e in asked)

    def by_address(self, address: str, at_ns: int) -> Entity:
        """Who had an address at that time; empty if nobody knows."""
        return self._lookup(KeyKind.ADDRESS, address, at_ns)

    def _lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity:
        if not value:
            return {}
        found = (ask(e, kind, value, at_ns) for e in reversed(self._enrichers) if kind in e.kinds)
        return {name: text for entity in found if entity for name, text in entity.items()}

    def statistics(self) -> dict[str, EnricherStatistics]:
        """The counts of each enricher that it starts, by its name."""
        return {enricher.name: enricher.statistics() for enricher in self._own}
