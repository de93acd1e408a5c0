"""Messages of the bus read into batches, each once however often it comes."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from actors.items import Chunk, Message, Receipt, Unreadable
from model.actor import Actor
from model.ledger import Ledger
from model.message import BadBatch, UnknownKind, decode, ledger_within

#: Starts of nodes whose message numbers are remembered, by partition and way.
ORIGINS: Final = 100_000

#: Numbers behind the newest of an origin among which one that did not come yet is told from one that did.
SPAN: Final = 1024

#: Whose messages are numbered: kind, node, boot, partition, and the partition that they came by.
_Origin = tuple[str, str, str, int, int]


class _Numbers:
    """Which numbers of an origin came: ``SPAN`` of them, and all before.

    Rows that an engine moves to another partition come in the order in which their seconds were settled there. When
    NATS comes back, a node that is behind tells of an older second after another node has told of a newer one.
    """

    __slots__ = ("_came", "_newest")

    def __init__(self) -> None:
        self._newest = -1
        self._came = 0  # bit n: the number _newest - n came

    def add(self, number: int) -> bool:
        """Whether it comes for the first time."""
        if number > self._newest:
            self._came = (self._came << min(number - self._newest, SPAN) | 1) & (1 << SPAN) - 1
            self._newest = number
            return True
        bit = 1 << self._newest - number
        if bit >> SPAN or self._came & bit:
            return False
        self._came |= bit
        return True


class Reader(Actor):
    """Decodes messages and leaves out those that came before.

    A message that came before and is not acknowledged yet, for its rows are still under way, is acknowledged with
    the first: else the bus would take rows for safe that only this process has.
    """

    def __init__(self, ledger: Ledger, origins: int = ORIGINS) -> None:
        self._stage = ledger.stage("deltas", "messages")
        self._origins = origins
        self._numbers: OrderedDict[_Origin, _Numbers] = OrderedDict()
        self._open: dict[tuple[_Origin, int], Receipt] = {}

    def handle(self, item: Any) -> Iterator[Any]:
        """The batch of a message, unless it came before or nobody can read it; of an older agent also its ledger.

        Messages of kinds that nobody declared here are left aside, counted: newer programs and plug-ins send them.
        """
        match item:
            case Message():
                yield from self._read(item)
            case _:
                yield item

    def _read(self, message: Message) -> Iterator[Chunk | Unreadable]:
        self._stage.received += 1
        try:
            batch = decode(message.data)
        except UnknownKind:
            self._stage.drop("unknown_kind")
            message.acknowledge()
            return
        except BadBatch as error:
            self._stage.drop("unreadable")
            yield Unreadable(message, str(error))
            return
        origin = (batch.kind.name, batch.node, batch.boot, message.partition, batch.via)
        if not self._seen_of(origin).add(batch.seq):
            self._leave_out(message, (origin, batch.seq))
            return
        self._stage.queued += 1
        receipt = self._open[origin, batch.seq] = Receipt(
            message.acknowledge, lambda: self._close((origin, batch.seq))
        )
        self._stage.note("unknown_columns", len(batch.unknown))
        if (ledger := ledger_within(batch)) is not None:
            yield Chunk(ledger, message.partition, at=message.at)
        yield Chunk(batch, message.partition, (receipt,), message.at)

    def missed(self, reason: str, count: int) -> None:
        """Counts messages that the bus lost before they were read."""
        self._stage.received += count
        self._stage.drop(reason, count)
        self._stage.note(reason)

    def _leave_out(self, message: Message, name: tuple[_Origin, int]) -> None:
        self._stage.note("duplicates")
        self._stage.delivered += 1
        if name in self._open:
            self._open[name].also(message.acknowledge)
        else:
            message.acknowledge()

    def _seen_of(self, origin: _Origin) -> _Numbers:
        seen = self._numbers.setdefault(origin, _Numbers())
        self._numbers.move_to_end(origin)
        if len(self._numbers) > self._origins:
            self._numbers.popitem(last=False)
        return seen

    def _close(self, name: tuple[_Origin, int]) -> None:
        """The rows of a message are safe."""
        del self._open[name]
        self._stage.queued -= 1
        self._stage.delivered += 1
