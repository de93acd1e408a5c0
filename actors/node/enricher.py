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
from model.kinds.delta import DELTA


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
            case _:
                yield item

    def _enriched(self, batch: Batch) -> Batch:
        columns = dict(batch.columns)
        programs = columns.pop(PROGRAM)
        if self._owners is None:
            columns["entity.index"] = np.zeros(len(batch), np.uint32)
            return replace(batch, columns=columns)
        entities = self._owners.identify(columns, programs, batch.tables["cgroups"], batch.window)
        return replace(batch, columns=columns).with_tables(entities=entities)
