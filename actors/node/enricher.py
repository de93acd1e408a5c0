"""The enricher of a node as an actor: executions of programs in, rows with the owners of their sockets out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from actors.items import Events
from actors.node.owners import Owners, WhoIs
from actors.node.rows import PROGRAM
from model.actor import Actor
from model.batch import Batch
from model.clock import SECOND_NS
from model.enricher import Entity
from model.kinds.delta import DELTA
from model.kinds.listener import LISTENER
from model.tables import NOBODY


class NodeEnricher(Actor):
    """Says who owns each socket.

    :param slots: of the node's socket table.
    :param who: knows processes and containers; nobody is named without.
    """

    def __init__(self, slots: int, who: WhoIs | None) -> None:
        self._who = who
        self._owners = Owners(slots, who) if who else None

    def handle(self, item: Any) -> Iterator[Any]:
        """Rows with their owners; events of others are passed on."""
        match item:
            case Events(receiver="processes"):
                if self._who:
                    self._who.learn(item.rows, item.offset_ns)
            case Batch() if item.kind is DELTA:
                yield self._enriched(item)
            case Batch() if item.kind is LISTENER:
                yield self._with_holders(item)
            case _:
                yield item

    def _with_holders(self, batch: Batch) -> Batch:
        """Listeners have few owners: each is asked for once."""
        columns, paths = dict(batch.columns), batch.tables["cgroups"]
        owners = zip(
            columns["process.pid"].tolist(),
            columns.pop(PROGRAM).tolist(),
            columns["cgroup.index"].tolist(),
            strict=True,
        )
        entities: list[Entity] = [*NOBODY]
        places: dict[tuple[int, int, int], int] = {}
        rows = list(owners)
        for owner in rows:
            if owner not in places:
                places[owner] = len(entities)
                entities.append(self._attributes(*owner[:2], paths[owner[2]], batch.window))
        columns["entity.index"] = np.array([places[owner] for owner in rows], np.uint32)
        return replace(batch, columns=columns).with_tables(entities=entities)

    def _attributes(self, pid: int, program: int, path: str, window: int) -> Entity:
        return self._who.attributes(pid, program, path, (window + 1) * SECOND_NS) if self._who else {}

    def _enriched(self, batch: Batch) -> Batch:
        columns = dict(batch.columns)
        programs = columns.pop(PROGRAM)
        if self._owners is None:
            columns["entity.index"] = np.zeros(len(batch), np.uint32)
            return replace(batch, columns=columns)
        entities = self._owners.identify(columns, programs, batch.tables["cgroups"], batch.window)
        return replace(batch, columns=columns).with_tables(entities=entities)
