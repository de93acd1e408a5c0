"""The NAT resolver of a node as an actor: rewrites in, rows with the tuple that the other end has out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from actors.items import Announcement, Events, WindowClock
from actors.nat.resolver import Resolver
from actors.nat.table import NatTable
from model.actor import Actor
from model.batch import Batch
from model.kinds.delta import DELTA
from model.ledger import Ledger


class NatResolver(Actor):
    """Learns conntrack's entries, and follows each socket's tuple through them.

    :param slots: of the node's socket table.
    :param table: keeps them.
    :param ledger: has the stage of the table, ``nat``.
    """

    def __init__(self, slots: int, table: NatTable, ledger: Ledger) -> None:
        self._stage = ledger.stage("nat", "entries")
        self._table = table
        self._resolver = Resolver(slots, table)
        self._clock = WindowClock(0)

    def handle(self, item: Any) -> Iterator[Any]:
        """Rows with their tuples resolved, and what is announced with them; events of others are passed on."""
        match item:
            case Events(receiver="nat"):
                self._table.learn(item.rows, item.offset_ns)
            case WindowClock():
                self._clock = item
            case Batch() if item.kind is DELTA:
                yield self._resolved(item)
                if self._table.announces:
                    yield Announcement(item.window, self._table.announce(item.window))
            case _:
                yield item

    def _resolved(self, batch: Batch) -> Batch:
        columns = dict(batch.columns)
        chains = self._resolver.resolve(columns, batch.window, self._clock.offset_ns)
        stages = {**batch.head["ledger"], "nat": self._stage.as_dict()}
        tables, head = {**batch.tables, "chains": chains}, {**batch.head, "ledger": stages}
        return replace(batch, columns=columns, tables=tables, head=head)
