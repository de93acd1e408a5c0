"""An engine's own ledger on its way to the sinks: what is lost behind the bus travels with the rows, too."""

from collections.abc import Iterator
from typing import Any

from actors.items import Chunk, Window
from model.actor import Actor
from model.batch import Batch
from model.kinds.ledger import LEDGER
from model.ledger import Ledger


class OwnLedger(Actor):
    """Puts the ledger ahead of each window.

    :param node: who counts, and ``boot``, since when.
    """

    def __init__(self, ledger: Ledger, node: str, boot: str) -> None:
        self._ledger = ledger
        self._node = node
        self._boot = boot
        self._seq = 0

    def handle(self, item: Any) -> Iterator[Any]:
        """The ledger as it is, then the window; all else is passed on."""
        if isinstance(item, Window):
            head = {"stages": self._ledger.as_dict()}
            yield Chunk(Batch(LEDGER, self._node, self._boot, self._seq, item.number, {}, head=head))
            self._seq += 1
        yield item
