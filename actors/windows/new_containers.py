"""Containers that are seen for the first time: their rows wait a moment for who may know them."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from actors.join.identity import Cluster
from model.clock import SECOND_NS
from model.enricher import Entity

#: Containers remembered as waited for; past it the longest unseen are waited for once more.
CONTAINERS: Final = 65536


class NewContainers:
    """Says of each container once whether to wait for its name.

    :param cluster: what knows containers; nothing is waited for without.
    """

    def __init__(self, cluster: Cluster | None, containers: int = CONTAINERS) -> None:
        self._cluster = cluster
        self._containers = containers
        self._seen: OrderedDict[str, None] = OrderedDict()

    def among(self, entities: Sequence[Entity], window: int) -> bool:
        """Whether there is one among these that nobody knows yet, and somebody may know in a moment."""
        new = [entity for entity in entities if self._is_new(entity.get("container.id", ""))]
        at_ns = (window + 1) * SECOND_NS
        return self._cluster is not None and any(self._cluster.awaits(entity, at_ns) for entity in new)

    def _is_new(self, container: str) -> bool:
        if not container:
            return False
        new = container not in self._seen
        self._seen[container] = None
        self._seen.move_to_end(container)
        if len(self._seen) > self._containers:
            self._seen.popitem(last=False)
        return new
