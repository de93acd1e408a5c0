"""The NAT table: which tuples conntrack rewrites into which, and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from actors.nat.places import NatPlaces
from actors.nat.tuple_index import KEY, NOWHERE, TupleIndex, hashed, make_keys
from model.chains import HOP
from model.clock import SECOND_NS
from model.ledger import Stage
from probes.kernel.layout import enums

_KIND = enums("conntrack")["conntrack_event"]

#: Windows in which each entry that holds is announced once.
REPEAT: Final = 60
#: Changes announced in one window at most; the rest, as after a start among many entries, in the windows that follow.
ANNOUNCED_AT_ONCE: Final = 50_000
#: An entry as one node tells it to others.
ANNOUNCED: Final = np.dtype(
    [
        ("called", KEY),
        ("seen", KEY),
        ("begin_ns", "<i8"),
        ("end_ns", "<i8"),
        ("netns", "<u4"),
        ("reserved", "<u4"),
    ]
)

#: Bounds of ``nat.entries``, by default.
ENTRIES: Final = 262_144
#: Events taken at once: some milliseconds.
RUN: Final = 4096
#: A mark that every entry changes (``NatTable.state``).
ANY: Final = 0
#: The end of an entry that holds.
OPEN: Final = np.iinfo(np.int64).max

#: struct nat_event → HOP: a reply comes from where the connection went to.
_FORWARD = ("source_address", "destination_address", "source_port", "destination_port")
_REVERSED = ("destination_address", "source_address", "destination_port", "source_port")


@dataclass(frozen=True)
class Spans:
    """When connections were there, by the clock of the table; each of shape (n,), int64.

    :param began_ns: an entry that began later may have been made for them.
    :param since_ns: one that ended before is none of theirs.
    :param until_ns: one that began after is none of theirs either.
    """

    began_ns: np.ndarray
    since_ns: np.ndarray
    until_ns: np.ndarray

    def take(self, rows: np.ndarray) -> "Spans":
        """Those of some connections."""
        return Spans(self.began_ns[rows], self.since_ns[rows], self.until_ns[rows])


class NatTable:
    """Entries of one node's conntrack; each holds for an interval, and a later one of the same tuple comes first.

    Times are of the clock of what is learnt: events have their kernel's, what others announce has the wall clock.

    An entry rewrites the tuple O of a connection into T, as its other end sees it: T is the reply, reversed.
    At the limit the entry that ended first makes room; while all hold, new ones are dropped.

    :param entries: at most; an entry takes about 170 bytes.
    :param stage: in entries: received, delivered (known), dropped for ``table_full``.
    :param announces: whether ``announce`` will be called, once a window.
    """

    def __init__(self, entries: int, stage: Stage, *, announces: bool = False) -> None:
        self._stage = stage
        self.announces = announces
        self._called = TupleIndex(entries)  # by O
        self._seen = TupleIndex(entries)  # by T
        self._begin = np.zeros(entries, np.int64)
        self._doubt_ms = np.zeros(entries, np.uint16)  # how much later it may have begun
        self._end = np.zeros(entries, np.int64)
        self._netns = np.zeros(entries, np.uint32)
        self._swept = np.zeros(entries, np.bool_)  # ended unless the dump under way has it
        self._claimed = np.zeros(entries, np.bool_)  # rewrites a connection of this node's own sockets
        self._announced = np.zeros(entries, np.bool_)  # announced
        self._announced_at = np.zeros(entries, np.int64)  # when it was announced last
        self._changed: list[np.ndarray] = []  # places that began or ended since the last announcement
        self._places = NatPlaces(entries)
        self._offset_ns = 0
        self._marks = np.zeros(1 << max(8, (entries // 4).bit_length()), np.uint32)
        #: Entries that began, over all time.
        self.begun = 0

    def __len__(self) -> int:
        """Entries known, also those that ended."""
        return len(self._places)

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes ``struct nat_event`` rows in, in order; what conntrack reported twice is known once.

        :param offset_ns: wall clock minus the clock of the events; what is announced has the wall clock's times.
        """
        self._offset_ns = offset_ns
        for part in _parts(events):
            if part["protocol"][0]:
                self._learn(part)
            else:
                self._sweep_all(part)

    def _learn(self, events: np.ndarray) -> None:
        """Entries that begin and end, the events of each tuple in their order."""
        called, seen = _keys(events)
        news = events["header"]["kind"] == _KIND["KIND_NAT_NEW"]
        at_ns = events["header"]["at_ns"].astype(np.int64)
        doubts = _doubts(events)
        for rows in turns(called):
            ends, begins = rows[~news[rows]], rows[news[rows]]
            if len(ends):
                self._end_at(called.take(ends), seen.take(ends), at_ns[ends])
            if len(begins):
                times = at_ns[begins], doubts[begins]
                self._begin_at(called.take(begins), seen.take(begins), events["netns"][begins], times)

    def _begin_at(
        self, called: np.ndarray, seen: np.ndarray, netns: np.ndarray, times: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Entries that begin.

        :param times: at which they begin, and how many milliseconds later that may be.
        """
        self._stage.received += len(called)
        known = self._holding(called, seen)
        again = known != NOWHERE
        self._swept[known[again]] = False
        self._end[known[again]] = OPEN
        fresh = np.flatnonzero(~again)
        places = self._take(len(fresh))
        self._stage.drop("table_full", len(fresh) - len(places))
        self._stage.delivered += len(called) - (len(fresh) - len(places))
        fresh = fresh[: len(places)]
        self._begin[places], self._doubt_ms[places] = (each[fresh] for each in times)
        self._end[places] = OPEN
        self._swept[places] = self._claimed[places] = self._announced[places] = False
        self._netns[places] = netns[fresh]
        self._note(places)
        self._mark(self._called.add(places, called.take(fresh)), self._seen.add(places, seen.take(fresh)))

    def _mark(self, called: np.ndarray, seen: np.ndarray) -> None:
        """Entries of these tuples (hashes) began: who looked for one before may look again."""
        if len(called):
            self.begun += len(called)
            now = self.begun & 0xFFFFFFFF
            self._marks[ANY] = now
            for hashes in (called, seen):
                self._marks[self.marks(hashes)] = now

    def marks(self, hashes: np.ndarray) -> np.ndarray:
        """A mark for each tuple (``hashed``), never ``ANY``; few have the same; shape (n,), uint32."""
        marks: np.ndarray = np.maximum(hashes >> np.uint64(32) & np.uint64(len(self._marks) - 1), 1)
        return marks.astype(np.uint32)

    def state(self, marks: np.ndarray) -> np.ndarray:
        """Another number for each mark once an entry from or to its tuple began; shape (n,), uint32."""
        return self._marks.take(marks)

    def _end_at(self, called: np.ndarray, seen: np.ndarray, at_ns: np.ndarray) -> None:
        self._stage.received += len(called)
        self._stage.delivered += len(called)
        places = self._holding(called, seen)
        held = places != NOWHERE
        self._finish(places[held], at_ns[held])

    def _sweep_all(self, events: np.ndarray) -> None:
        self._stage.received += len(events)
        self._stage.delivered += len(events)
        for event in events:
            self._sweep(int(event["netns"]), int(event["header"]["at_ns"]))

    def _sweep(self, netns: int, at_ns: int) -> None:
        """All entries of the namespace end unless they are announced or dumped again."""
        holding = np.flatnonzero((self._netns == netns) & (self._end == OPEN))
        self._swept[holding] = True
        self._finish(holding, at_ns)

    def _finish(self, places: np.ndarray, at_ns: np.ndarray | int) -> None:
        self._end[places] = at_ns
        self._note(places)
        self._places.end(places)

    def _note(self, places: np.ndarray) -> None:
        if self.announces:
            self._changed.append(places)

    def _holding(self, called: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """The place of the entry O → T that holds, or of one that ends unless it is reported again; else NOWHERE."""
        places = self._called.newest(called)
        wanted = seen.view("V48")
        while True:
            rows = np.flatnonzero(places != NOWHERE)
            here = places[rows]
            holds = (self._end[here] == OPEN) | self._swept[here]
            other = ~holds | (self._seen.keys(here).view("V48") != wanted[rows])
            if not other.any():
                return places
            places[rows[other]] = self._called.older(here[other])

    def _take(self, count: int) -> np.ndarray:
        """Free places, as many as wanted if there are; entries that ended longest ago make room."""
        while (short := count - self._places.free) > 0:
            if not len(ended := self._places.first_ended(short)):
                break
            self._evict(ended[self._end[ended] != OPEN])
        return self._places.take(count)

    def _evict(self, places: np.ndarray) -> None:
        """Gives up entries that ended."""
        self._called.remove(places)
        self._seen.remove(places)
        self._swept[places] = False
        self._places.give_back(places)
        self._stage.note("evicted", len(places))

    def rewritten(self, keys: np.ndarray, hashes: np.ndarray, spans: "Spans") -> np.ndarray:
        """The entry that rewrites each tuple O at its time; NOWHERE if none does, or any of several may; (n,).

        The newest that can be is the one: an entry begins with its connection's first packet.
        """
        return self._find(self._called, self._seen, self._called.newest(keys, hashes), spans)

    def behind(self, keys: np.ndarray, hashes: np.ndarray, spans: "Spans") -> np.ndarray:
        """The same by T: the entry that made each tuple what it is."""
        return self._find(self._seen, self._called, self._seen.newest(keys, hashes), spans)

    def _find(self, index: TupleIndex, other: TupleIndex, newest: np.ndarray, spans: "Spans") -> np.ndarray:
        places = self._fitting(index, newest, spans)
        rows = np.flatnonzero(places != NOWHERE)
        rivals = self._fitting(index, index.older(places[rows]), spans.take(rows))
        while len(left := np.flatnonzero(rivals != NOWHERE)):
            rows, rivals = rows[left], rivals[left]
            differ = other.keys(rivals).view("V48") != other.keys(places[rows]).view("V48")
            latest = self._begin[rivals] + self._doubt_ms[rivals].astype(np.int64) * 1_000_000
            undecided = differ & (latest >= spans.began_ns[rows])
            places[rows[undecided]] = NOWHERE
            self._stage.note("undecided", int(np.count_nonzero(undecided)))
            rows, rivals = rows[~undecided], rivals[~undecided]
            rivals = self._fitting(index, index.older(rivals), spans.take(rows))
        return places

    def newest_of_dumped(self, places: np.ndarray, spans: "Spans") -> np.ndarray:
        """``places``, but NOWHERE for connections that found the same entry of a dump as a later one.

        A dump has the last entry of each tuple, and not when it began: of several connections it is the newest's.
        """
        found = np.flatnonzero(places != NOWHERE)
        found = found[self._begin[places[found]] == 0]
        order = found[np.lexsort((spans.began_ns[found], places[found]))]
        earlier = order[:-1][places[order[:-1]] == places[order[1:]]]
        places[earlier] = NOWHERE
        self._stage.note("undecided", len(earlier))
        return places

    def _fitting(self, index: TupleIndex, places: np.ndarray, spans: "Spans") -> np.ndarray:
        """From ``places`` on, newest first, the first entry that was there at its time, or NOWHERE."""
        while True:
            rows = np.flatnonzero(places != NOWHERE)
            here = places[rows]
            holds = (self._begin[here] <= spans.until_ns[rows]) & (self._end[here] >= spans.since_ns[rows])
            if holds.all():
                return places
            places[rows[~holds]] = index.older(here[~holds])

    def claim(self, places: np.ndarray) -> None:
        """A socket of this node called by way of these entries: nobody else needs them."""
        self._claimed[places] = True

    def announce(self, window: int) -> np.ndarray:
        """What other places should know: entries that began or ended and rewrite nobody's call of this node, and a
        part of those that hold, so that each is announced once in ``REPEAT`` windows; ``ANNOUNCED``."""
        changed = self._marked(*self._changed)
        changed = changed[~self._claimed[changed] & ((self._end[changed] == OPEN) | self._announced[changed])]
        changed, self._changed = changed[:ANNOUNCED_AT_ONCE], [changed[ANNOUNCED_AT_ONCE:]]
        repeated = np.arange(window % REPEAT, len(self._end), REPEAT)
        repeated = repeated[self._announced[repeated] & (self._end[repeated] == OPEN)]
        places = self._marked(changed, repeated)
        self._announced[places] = True
        entries = np.zeros(len(places), ANNOUNCED)
        for name, index in (("called", self._called), ("seen", self._seen)):
            entries[name].view("V48")[...] = index.keys(places).view("V48")
        for name, times in (("begin_ns", self._begin), ("end_ns", self._end)):
            known = (times[places] != 0) & (times[places] != OPEN)
            entries[name] = times[places] + np.where(known, self._offset_ns, 0)
        entries["netns"] = self._netns[places]
        return entries

    def announce_again(self) -> None:
        """Whoever kept what was announced has lost it: announce all entries that hold anew."""
        self._changed.append(np.flatnonzero(self._announced & (self._end == OPEN)))

    def _marked(self, *parts: np.ndarray) -> np.ndarray:
        """Each of these places once; a set of hashes or a sort would take ten times as long."""
        marks = np.zeros(len(self._end), np.bool_)
        for places in parts:
            marks[places] = True
        return np.flatnonzero(marks)

    def take_announced(self, entries: np.ndarray, now_ns: int) -> None:
        """Takes in what another node announced; ``ANNOUNCED``. What nobody repeats has ended."""
        called, seen = (np.ascontiguousarray(entries[name]) for name in ("called", "seen"))
        self._begin_at(
            called, seen, entries["netns"], (entries["begin_ns"], np.zeros(len(entries), np.uint16))
        )
        places = self._holding(called, seen)
        held = places != NOWHERE
        self._announced_at[places[held]] = now_ns
        over = held & (entries["end_ns"] != OPEN)
        self._finish(places[over], entries["end_ns"][over])

    def end_unannounced(self, now_ns: int) -> None:
        """Ends the entries that nobody has repeated for two rounds."""
        silent = (self._end == OPEN) & (self._announced_at < now_ns - 2 * REPEAT * SECOND_NS)
        places = np.flatnonzero(silent).astype(np.int32)
        self._finish(places, np.full(len(places), now_ns))

    def called(self, places: np.ndarray) -> np.ndarray:
        """The tuples O of entries; ``HOP``."""
        return hops_of(self._called.keys(places))

    def seen(self, places: np.ndarray) -> np.ndarray:
        """The tuples T of entries; ``HOP``."""
        return hops_of(self._seen.keys(places))


def _parts(events: np.ndarray) -> Iterator[np.ndarray]:
    """Stretches of events of entries, or of ends of namespaces, at most ``RUN`` long."""
    if not len(events):
        return
    whole = events["protocol"] == 0
    for begin, end in pairwise([0, *(np.flatnonzero(np.diff(whole)) + 1).tolist(), len(events)]):
        for first in range(begin, end, RUN):
            yield events[first : min(first + RUN, end)]


def turns(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in turns of which none has a key twice, each row after those before it with the same key.

    Keys are told apart by half of their hash: two that share it by chance take turns, no harm.
    """
    places = np.arange(len(keys))
    ordered = hashed(keys) & np.uint64(0xFFFFFFFF00000000) | places.astype(np.uint64)
    ordered.sort()  # as a stable argsort gives it, in a tenth of its time
    order, halves = (ordered & np.uint64(0xFFFFFFFF)).astype(np.int64), ordered >> np.uint64(32)
    again = np.diff(halves, prepend=~halves[:1]) == 0
    number = np.zeros(len(keys), np.int64)
    number[order] = places - np.maximum.accumulate(np.where(again, 0, places))
    for turn in range(int(number.max()) + 1):
        yield np.flatnonzero(number == turn)


def _doubts(events: np.ndarray) -> np.ndarray:
    """Milliseconds by which each entry may have begun later than its event says, rounded up; shape (n,), uint16."""
    latest = events["latest_at_ns"]
    doubts = np.where(latest != 0, latest - events["header"]["at_ns"], 0).astype(np.int64)
    return np.minimum(-(-doubts // 1_000_000), 0xFFFF).astype(np.uint16)


def hops_of(keys: np.ndarray) -> np.ndarray:
    """The tuples in keys; ``HOP``."""
    hops: np.ndarray = keys.view(np.uint8).reshape(len(keys), keys.dtype.itemsize)[:, : HOP.itemsize]
    return np.ascontiguousarray(hops).view(HOP).reshape(-1)


def _keys(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """O and T of ``struct nat_event`` rows, as keys."""
    netns, protocol = events["netns"], events["protocol"]
    called, seen = np.empty(len(events), HOP), np.empty(len(events), HOP)
    for name, mirrored in zip(_FORWARD, _REVERSED, strict=True):
        called[name] = events["original"][name]
        seen[name] = events["reply"][mirrored]
    return make_keys(called, protocol, netns), make_keys(seen, protocol, netns)
