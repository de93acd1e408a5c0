"""Places of a graph: what runs an actor, counts what it does, and hands on what it makes."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from actors.items import Message
from model.actor import Actor

#: Items that wait for an actor at most; then those before it wait.
INBOX_ITEMS: Final = 16

_END: Final[Any] = object()
_To = TypeVar("_To", bound="Place")


@dataclass
class ActorStatistics:
    """What one actor did.

    :param received: items, and ``received_rows`` rows in them.
    :param sent: items handed on, and ``sent_rows`` rows in them.
    :param busy_ns: at work; ``blocked_ns``: waiting for room with those behind it.
    :param waiting: items in the inbox now; at most ``limit``.
    """

    limit: int
    received: int = 0
    received_rows: int = 0
    sent: int = 0
    sent_rows: int = 0
    busy_ns: int = 0
    blocked_ns: int = 0
    waiting: int = 0


class Outlet(Protocol):
    """The end of the way: takes items, and does I/O."""

    async def take(self, item: Any) -> None:
        """Take one item; the next one waits meanwhile."""

    async def flush(self) -> None:
        """Return when all that was taken is safe."""


class Place(ABC):
    """One place of a graph; ``>>`` leads to the next."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: Grows with each item that the place takes up or hands on.
        self.moves = 0
        self._exits: list[Exit] = []
        self._handing_on = False

    @property
    def due(self) -> bool:
        """Whether it has something to do, and waits for nobody behind it: a source always has."""
        return not self._handing_on

    def __rshift__(self, to: _To) -> _To:
        """All that this place makes goes to ``to`` also."""
        return Exit(self, lambda _: True) >> to

    def only(self, *types: type) -> "Exit":
        """Leads items of these types alone."""
        return Exit(self, lambda item: isinstance(item, types))

    def where(self, wanted: Callable[[Any], bool]) -> "Exit":
        """Leads these items alone."""
        return Exit(self, wanted)

    def lead(self, way: "Exit") -> None:
        """Adds a way."""
        self._exits.append(way)

    @property
    def following(self) -> list["Place"]:
        """The places that its ways lead to."""
        return [way.to for way in self._exits if way.to]

    async def send(self, item: Any) -> bool:
        """Hands an item on. Waits while an inbox is full. Returns whether anybody wanted it."""
        wanted, self._handing_on = False, True
        for way in self._exits:
            if way.to and way.wanted(item):
                await way.to.put(item)
                wanted = True
        self._handing_on = False
        self.moves += 1
        return wanted

    @abstractmethod
    async def put(self, item: Any) -> None:
        """Takes an item in; waits while there is no room."""


class Exit:
    """A way out of a place, for the items that are wanted behind it."""

    def __init__(self, place: Place, wanted: Callable[[Any], bool]) -> None:
        self.wanted = wanted
        self.to: Place | None = None
        self._place = place

    def __rshift__(self, to: _To) -> _To:
        """They go to ``to``."""
        self.to = to
        self._place.lead(self)
        return to


class Failure:
    """The first error of an actor: it takes no more then, and the role ends."""

    def __init__(self) -> None:
        self.place = ""
        self.error: BaseException | None = None
        self._happened = asyncio.Event()

    def set(self, place: str, error: BaseException) -> None:
        """Only the first counts."""
        if self.error is None:
            self.place, self.error = place, error
            self._happened.set()

    async def wait(self) -> None:
        """Returns when there is one."""
        await self._happened.wait()


class ActorPlace(Place):
    """An actor with its inbox.

    :param failure: is told of what ``handle`` raises.
    :param inbox_items: that wait at most.
    """

    def __init__(self, name: str, actor: Actor, failure: Failure, inbox_items: int = INBOX_ITEMS) -> None:
        super().__init__(name)
        self._actor = actor
        self._failure = failure
        self.inbox: asyncio.Queue[Any] = asyncio.Queue(inbox_items)
        self.inbox_items = inbox_items
        self._counts = ActorStatistics(inbox_items)
        self._resting = asyncio.Event()
        self._resting.set()

    @property
    def statistics(self) -> ActorStatistics:
        """Up to this moment."""
        self._counts.waiting = self.inbox.qsize()
        return self._counts

    @property
    def due(self) -> bool:
        """Whether items wait for it, or one is in its hands, and it waits for nobody behind it."""
        return super().due and (not self.inbox.empty() or not self._resting.is_set())

    async def put(self, item: Any) -> None:
        """Waits while the inbox is full."""
        if self.inbox.full():
            await self.inbox.put(item)
        else:
            self.inbox.put_nowait(item)

    async def process(self, item: Any) -> None:
        """Handles one item, and hands on what comes of it. Never returns if the actor fails: nothing is skipped."""
        self._resting.clear()
        self.moves += 1
        self._counts.received += 1
        self._counts.received_rows += len(item)
        await self._handle(item)
        self._resting.set()

    async def _handle(self, item: Any) -> None:
        await self._pass_on(lambda: self._actor.handle(item))

    async def finish(self) -> None:
        """Hands on what the actor still holds."""
        await self._pass_on(self._actor.finish)

    async def idle(self) -> None:
        """Returns when all that was put into the inbox, or is being read from a topic, has been handled."""
        await self.inbox.join()
        await self._resting.wait()

    async def _pass_on(self, make: Callable[[], Iterable[Any]]) -> None:
        """Sends each item as soon as it is made; keeps the time of both apart."""
        clock, counts = time.perf_counter_ns, self._counts
        try:
            begin = clock()
            items = iter(make())
            while True:
                item = next(items, _END)
                made_at = clock()
                counts.busy_ns += made_at - begin
                if item is _END:
                    return
                if await self.send(item):
                    counts.sent += 1
                    counts.sent_rows += len(item)
                begin = clock()
                counts.blocked_ns += begin - made_at
        except Exception as error:  # noqa: BLE001 - whatever it is, the role ends with it
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        """Tells the role, and never returns: the item is not done with, and no other is begun."""
        self._failure.set(self.name, error)
        await asyncio.Event().wait()


class OutletPlace(ActorPlace):
    """An outlet with its inbox."""

    def __init__(self, name: str, outlet: Outlet, failure: Failure, inbox_items: int = INBOX_ITEMS) -> None:
        super().__init__(name, _Nothing(), failure, inbox_items)
        self._outlet = outlet

    async def _handle(self, item: Any) -> None:
        begin = time.perf_counter_ns()
        self._handing_on = True
        try:
            await self._outlet.take(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, the role ends with it
            await self._fail(error)
        self._handing_on = False
        self._counts.busy_ns += time.perf_counter_ns() - begin

    async def finish(self) -> None:
        """Makes safe what was taken."""
        await self._outlet.flush()


class _Nothing(Actor):
    def handle(self, item: Any) -> Iterable[Any]:
        return ()


class OnFirstItem(Actor):
    """An actor that is made with its first item: when more is known than at the start."""

    def __init__(self, make: Callable[[], Actor]) -> None:
        self._make = make
        self._actor: Actor | None = None

    def handle(self, item: Any) -> Iterable[Any]:
        """As the actor does."""
        self._actor = self._actor or self._make()
        return self._actor.handle(item)

    def finish(self) -> Iterable[Any]:
        """As the actor does, if there is one."""
        return self._actor.finish() if self._actor else ()


class SourcePlace(Place):
    """Where items enter a graph."""

    async def put(self, item: Any) -> None:
        """Nothing leads to a source."""
        raise NotImplementedError

    async def send_frame(self, frame: bytes) -> None:
        """Hands on bytes as a message."""
        await self.send(Message(frame))


class TopicPlace(Place):
    """A topic of the bus: what is put into it is stored there, and what it holds is read by the actor behind it.

    :param shared: with other processes: what they put into it is read too, and is left in it when this one ends.
    """

    def __init__(self, name: str, *, shared: bool) -> None:
        super().__init__(name)
        self.shared = shared
        self.publish: Callable[[Message], Awaitable[None]] | None = None  # set by what runs the graph

    async def put(self, item: Message) -> None:
        """Returns when the message is stored."""
        if self.publish is None:
            raise RuntimeError(f"the topic {self.name} is not connected: start the graph first")
        await self.publish(item)
