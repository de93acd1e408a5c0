"""Who is at each end of a connection: what nodes say of their own, and what the cluster knows besides."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from actors.join.flow_table import CLIENT_SIDE, FlowTable
from model.addresses import address_text
from model.batch import Batch
from model.clock import SECOND_NS
from model.dictionary import Dictionary
from model.enricher import Entity

#: Windows after a connection's first in which the address of an end that no socket reports is looked up again.
AGAIN: Final = (1, 2, 4, 8, 16)
#: For so long who has an address now is taken for who had it before: clocks differ, and timestamps are coarse.
CLOCK_SLACK_NS: Final = 3 * SECOND_NS
#: Entities of nodes of which the id is remembered.
LEARNT: Final = 65_536
#: The node that an end's own kernel runs on.
HOST: Final = "host.name"
#: How an entity was found, where it is not by the end's own socket.
BY_ADDRESS: Final = {"identity.evidence": "address"}

_Items = tuple[tuple[str, str], ...]


class Cluster(Protocol):
    """What knows pods, services and names of many nodes, from memory."""

    @property
    def version(self) -> int:
        """Grows whenever an answer may have changed."""

    def enriched(self, entity: Entity, at_ns: int) -> Entity:
        """What a node says of an end, with what else is known of it."""

    def awaits(self, entity: Entity, at_ns: int) -> bool:
        """Whether a source may tell in a moment of the container of such an end."""

    def by_address(self, address: str, at_ns: int) -> Entity:
        """Who had an address at that time; empty if nobody knows."""


class Identity:
    """Ids of entities, and what they stand for.

    :param cluster: nothing is added to what nodes say without.
    """

    def __init__(self, cluster: Cluster | None) -> None:
        self._cluster = cluster
        self.known: Dictionary[_Items] = Dictionary(())
        self._learnt: dict[str, dict[int, int]] = {}  # by node and Python's ``id`` of an entity
        self._held: list[Entity] = []  # those entities: no other can have their ``id``
        self._version, self._changed = -1, 0  # of the cluster's knowledge, and the window in which it was new
        self._enriched: dict[int, Entity] = {}  # as enriched at ``_enriched_at``, a version of that knowledge
        self._enriched_at = -1

    def learn(self, batch: Batch) -> np.ndarray:
        """The id of each of the batch's entities, which are at home on its node; uint32."""
        learnt = self._learnt.setdefault(batch.node, {})
        try:
            found = list(map(learnt.__getitem__, map(id, batch.tables["entities"])))
        except KeyError:
            found = [self._learn(batch.node, entity) for entity in batch.tables["entities"]]
        return np.array(found, np.uint32)

    def _learn(self, node: str, entity: Entity) -> int:
        learnt = self._learnt.setdefault(node, {})
        known = learnt.get(id(entity))
        if known is None:
            if len(self._held) >= LEARNT:
                self._forget_learnt()
            known = self.known.id(_items({HOST: node, **entity}))
            self._learnt.setdefault(node, {})[id(entity)] = known
            self._held.append(entity)
        return known

    def _forget_learnt(self) -> None:
        self._learnt.clear()
        self._held.clear()

    def due(self, met: np.ndarray, window: int) -> np.ndarray:
        """Which ends, met in these windows, are to be looked up again: more is known since, and it is time."""
        version = self._cluster.version if self._cluster else 0
        if version != self._version:
            self._version, self._changed = version, window
        again: np.ndarray = np.isin(window - met, AGAIN) & (met < self._changed)
        return again

    def find_by_address(self, table: FlowTable, side: int, flows: np.ndarray, window: int) -> None:
        """Looks up who had the address of this end of flows, of which no socket reports, when they began.

        Who was found before stays if nobody is found.
        """
        if self._cluster is None or not len(flows):
            return
        hops = table.called if side == CLIENT_SIDE else table.final
        addresses = hops["source_address" if side == CLIENT_SIDE else "destination_address"][flows].tolist()
        pairs = list(zip(addresses, table.since[flows].tolist(), strict=True))
        known = {pair: self._entity_of(self._cluster, *pair, window) for pair in set(pairs)}
        numbers = np.array([known[pair] for pair in pairs], np.uint32)
        found = np.flatnonzero(numbers)
        table.ends[side].set("entity.index", flows[found], numbers[found])

    def at_addresses(self, addresses: Sequence[bytes], window: int) -> np.ndarray:
        """The ids of who has these addresses, 0 where nobody knows; uint32."""
        if self._cluster is None:
            return np.zeros(len(addresses), np.uint32)
        at_ns = (window + 1) * SECOND_NS
        known = {
            address: self._entity_of(self._cluster, address, at_ns, window) for address in set(addresses)
        }
        return np.array([known[address] for address in addresses], np.uint32)

    def _entity_of(self, cluster: Cluster, address: bytes, at_ns: int, window: int) -> int:
        """The id of who had it then; if nobody as far as is known, of who has it soon after."""
        text, now = address_text(address), (window + 1) * SECOND_NS
        entity = cluster.by_address(text, at_ns)
        if not entity and at_ns < now <= at_ns + CLOCK_SLACK_NS:
            entity = cluster.by_address(text, now)
        return self.known.id(_items({**entity, **BY_ADDRESS})) if entity else 0

    def entities(self, ids: Sequence[int], window: int) -> list[Entity]:
        """What these ids stand for."""
        version = self._cluster.version if self._cluster else 0
        if version != self._enriched_at:
            self._enriched.clear()
            self._enriched_at = version
        try:
            return list(map(self._enriched.__getitem__, ids))
        except KeyError:
            return [self._entity(id_, (window + 1) * SECOND_NS) for id_ in ids]

    def _entity(self, id_: int, at_ns: int) -> Entity:
        entity = self._enriched.get(id_)
        if entity is None:
            entity = dict(self.known.values[id_])
            if self._cluster and entity and BY_ADDRESS.keys().isdisjoint(entity):
                entity = dict(self._cluster.enriched(entity, at_ns))
            self._enriched[id_] = entity
        return entity

    def release(self, in_use: np.ndarray) -> None:
        """Gives up all ids but those ``in_use``."""
        self._forget_learnt()
        for id_ in self.known.release(in_use):
            self._enriched.pop(id_, None)


def _items(entity: Entity) -> _Items:
    return tuple(sorted(entity.items()))
