"""Names of addresses by reverse DNS: asked in threads of its own, never on a flow's way; off by default."""

import asyncio
import contextlib
import queue
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar, Final

from enrichers.dns_config import DnsConfig
from model.enricher import EnricherStatistics, Entity, KeyKind
from model.settings import PluginConfig

#: Seconds after which a name, or that there is none, is asked for again.
NAMED_SECONDS: Final = 3600.0
UNNAMED_SECONDS: Final = 600.0
#: Questions that wait at most; what is beyond is asked for when it is seen again.
QUESTIONS: Final = 1024
#: Questions at once: a server that does not answer holds a thread for some seconds.
THREADS: Final = 4
ATTRIBUTE: Final = "host.name"


def name_of(address: str) -> str:
    """What the system's resolver (hosts file, DNS) has for it; empty for nothing. Blocks."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):  # what is no name in any script
        return ""


@dataclass(frozen=True, slots=True)
class _Answer:
    entity: Entity
    until: float  # monotonic


class ReverseDns:
    """Names hosts by their addresses, as the system's resolver does; off by default.

    :param resolve: gives the name of an address, may block; called in threads.
    """

    Config: ClassVar[type[PluginConfig]] = DnsConfig
    name = "reverse_dns"
    kinds = frozenset({KeyKind.ADDRESS})
    live = False  # an answer may take seconds

    def __init__(
        self,
        config: DnsConfig,
        *,
        resolve: Callable[[str], str] = name_of,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enabled = config.reverse
        self._entries = config.entries
        self._resolve = resolve
        self._now = now
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asked: set[str] = set()
        self._questions: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hits = self._misses = self._evicted = 0
        #: Grows with each name.
        self.version = 0

    async def start(self, node: str) -> None:
        """Gets ready to ask, if that is wanted."""
        if self._enabled:
            self._loop = asyncio.get_running_loop()
            for _ in range(THREADS):  # no pool's: those are waited for at the end of the program
                threading.Thread(target=self._work, name="reverse dns", daemon=True).start()

    async def close(self) -> None:
        """Asks no more; who waits for an answer is not waited for."""
        if self._loop:
            self._loop = None
            for _ in range(THREADS):
                self._questions.put(None)

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """The host's name, as ``host.name``, if it is known by now; DNS says nothing of other times."""
        answer = self._answers.get(value) if kind is KeyKind.ADDRESS else None
        if answer:
            self._answers.move_to_end(value)
        if self._loop and kind is KeyKind.ADDRESS and (answer is None or answer.until < self._now()):
            self._ask(value)
        found = answer.entity if answer else {}
        self._hits += bool(found)
        self._misses += not found
        return found or None

    def _ask(self, address: str) -> None:
        if address in self._asked or len(self._asked) >= QUESTIONS or not _is_host(address):
            return
        self._asked.add(address)
        self._questions.put(address)

    def _work(self) -> None:
        """The thread's."""
        while (address := self._questions.get()) is not None:
            name = self._resolve(address)
            loop = self._loop
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                if loop:
                    loop.call_soon_threadsafe(self._learn, address, name)

    def _learn(self, address: str, name: str) -> None:
        self._asked.discard(address)
        entity = {ATTRIBUTE: name} if name else {}
        before = self._answers.get(address)
        self._answers[address] = _Answer(entity, self._now() + (NAMED_SECONDS if name else UNNAMED_SECONDS))
        self._answers.move_to_end(address)
        self.version += entity != (before.entity if before else {})
        while len(self._answers) > self._entries:
            _, evicted = self._answers.popitem(last=False)
            self._evicted += bool(evicted.entity)

    def statistics(self) -> EnricherStatistics:
        """The counts so far; entries are names."""
        names = sum(bool(answer.entity) for answer in self._answers.values())
        return EnricherStatistics(names, self._hits, self._misses, 0, self._evicted, 0.0)


def _is_host(address: str) -> bool:
    """Whether it is an address that one host has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_multicast or parsed.is_unspecified or parsed.is_link_local)
