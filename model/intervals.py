"""The memory of enrichers: who had a key, from when until when. Bounded; what ended longest ago makes room."""

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from model.enricher import OPEN, EnricherStatistics, Entity, Identity, KeyKind

#: Identities kept, by default: some hundred bytes each.
IDENTITIES: Final = 65_536
#: Identities of one key: a look-up walks through them at worst.
PER_KEY: Final = 64

_Key = tuple[KeyKind, str]


def _begin(identity: Identity) -> int:
    return identity.begin_ns


class Intervals:
    """Identities by key and time. Pure: times are given, wall clock, nanoseconds; an interval is half open.

    At the limit, of all or of one key, the identity that ended first is given up; of those that still hold, the one
    that began first.

    ``version`` grows with every change of an answer. While ``away`` is set (the source cannot be asked), answers
    are counted as stale.

    :param limit: identities of all keys together.
    :param per_key: identities of one key.
    """

    def __init__(self, limit: int = IDENTITIES, per_key: int = PER_KEY) -> None:
        self._limit = limit
        self._per_key = per_key
        self._by_key: dict[_Key, list[Identity]] = {}  # by beginning
        # Heap of end, beginning, key: of all, some no longer true; empty until there is need of room.
        self._oldest: list[tuple[int, int, KeyKind, str]] = []
        self._count = 0
        self._hits = 0
        self._misses = 0
        self._stale = 0
        self._evicted = 0
        self.away = False
        self.version = 0

    def __len__(self) -> int:
        """Identities in memory."""
        return self._count

    def add(self, kind: KeyKind, value: str, entity: Entity, begin_ns: int, end_ns: int = OPEN) -> None:
        """Somebody has the key from ``begin_ns`` up to ``end_ns``; takes the place of one that began just then.

        Others of the key are left as they are: an address that goes from one to another is had by the later one.
        """
        held = self._by_key.setdefault((kind, value), [])
        identity = Identity(kind, value, begin_ns, end_ns, entity)
        place = bisect_left(held, begin_ns, key=_begin)
        if place < len(held) and held[place].begin_ns == begin_ns:
            old, held[place] = held[place], identity
            if old == identity:
                return
            self.version += 1
            if old.end_ns == end_ns:
                return  # where it stands in the order of eviction stays true
        else:
            held.insert(place, identity)
            self._count += 1
            self.version += 1
        self._age(identity)
        self._make_room(held)

    def end(self, kind: KeyKind, value: str, end_ns: int, begin_ns: int | None = None) -> None:
        """The identity that began at ``begin_ns`` ended; without it, all of the key that still hold.

        One that is said to end before it began is kept as an empty interval; one that is not known is no error.
        """
        held = self._by_key.get((kind, value), [])
        for place, identity in enumerate(held):
            wanted = identity.end_ns == OPEN if begin_ns is None else identity.begin_ns == begin_ns
            if wanted and identity.end_ns != end_ns:
                held[place] = Identity(kind, value, identity.begin_ns, end_ns, identity.entity)
                self.version += 1
                self._age(held[place])

    def lookup(self, kind: KeyKind, value: str, at_ns: int) -> Entity | None:
        """Who had the key at that time; of several the one that began last. Counted as hit or miss."""
        return self.answer(self.find(kind, value, at_ns))

    def find(self, kind: KeyKind, value: str, at_ns: int) -> Identity | None:
        """The same with its interval, not counted: for those who keep the memory."""
        held = self._by_key.get((kind, value))
        if held is None:
            return None
        for place in range(bisect_right(held, at_ns, key=_begin) - 1, -1, -1):
            if held[place].end_ns > at_ns:
                return held[place]
        return None

    def every(self, kind: KeyKind, value: str) -> Sequence[Identity]:
        """All that are known to have had the key, in the order in which they began."""
        return self._by_key.get((kind, value), ())

    def answer(self, identity: Identity | None) -> Entity | None:
        """Whom somebody who keeps the memory has found, or that there is nobody; counted as hit or miss."""
        if identity is None:
            self._misses += 1
            return None
        self._hits += 1
        self._stale += self.away
        return identity.entity

    def last(self, kind: KeyKind, value: str) -> Identity | None:
        """Of all that are known to have had the key the one that began last."""
        held = self._by_key.get((kind, value))
        return held[-1] if held else None

    def held(self, kind: KeyKind) -> list[Identity]:
        """All identities of a kind that still hold; for a resync with the source. Walks through the whole memory."""
        return [
            identity
            for (of_kind, _), held in self._by_key.items()
            if of_kind is kind
            for identity in held
            if identity.end_ns == OPEN
        ]

    def statistics(self, age_seconds: float) -> EnricherStatistics:
        """The counts so far.

        :param age_seconds: since the source was last heard of; infinite if never.
        """
        return EnricherStatistics(
            self._count, self._hits, self._misses, self._stale, self._evicted, age_seconds
        )

    def _age(self, identity: Identity) -> None:
        """Puts the identity where eviction finds it; what it said before of the same is no longer true."""
        if not self._oldest:
            return
        heapq.heappush(self._oldest, (identity.end_ns, identity.begin_ns, identity.kind, identity.value))
        if len(self._oldest) > 2 * self._count + self._per_key:
            self._order()

    def _order(self) -> None:
        self._oldest = [
            (one.end_ns, one.begin_ns, one.kind, one.value) for held in self._by_key.values() for one in held
        ]
        heapq.heapify(self._oldest)

    def _make_room(self, held: list[Identity]) -> None:
        if len(held) > self._per_key:
            self._drop(min(held, key=lambda one: (one.end_ns, one.begin_ns)))
        while self._count > self._limit:
            if not self._oldest:
                self._order()
            end_ns, begin_ns, kind, value = heapq.heappop(self._oldest)
            of_key = self._by_key.get((kind, value), [])
            place = bisect_left(of_key, begin_ns, key=_begin)
            if place < len(of_key) and (of_key[place].begin_ns, of_key[place].end_ns) == (begin_ns, end_ns):
                self._drop(of_key[place])

    def _drop(self, identity: Identity) -> None:
        key = (identity.kind, identity.value)
        held = self._by_key[key]
        del held[bisect_left(held, identity.begin_ns, key=_begin)]
        if not held:
            del self._by_key[key]
        self._count -= 1
        self._evicted += 1
        self.version += 1
