"""The NAT table: which tuples conntrack rewrites into which, and when."""

from typing import Final

import numpy as np

from actors.nat.announced import ANNOUNCED, REPEAT, Announced
from actors.nat.entry_events import keys_of, parts, times_of, turns
from actors.nat.entry_matches import EntryMatches
from actors.nat.gaps import NatGaps
from actors.nat.lives import BEFORE, MISSED, OPEN, Lives, Spans
from actors.nat.places import NatPlaces
from actors.nat.tuple_index import NOWHERE, TupleIndex
from model.chains import HOP
from model.clock import SECOND_NS
from model.ledger import Stage
from model.transport import Transport
from probes.kernel.layout import enums

_KIND = enums("conntrack")["conntrack_event"]

#: Bounds of ``nat.entries``, by default.
ENTRIES: Final = 262_144
#: The same of ``nat.udp_entries``.
UDP_ENTRIES: Final = 262_144
#: A mark that every entry changes (``NatTable.state``).
ANY: Final = 0


class NatTable:
    """Entries of one node's conntrack; each holds for an interval, and a later one of the same tuple comes first.

    An entry rewrites the tuple O of a connection into T, as its other end sees it: T is the reply, reversed.
    At the limit the entry that ended first makes room; while all hold, new ones are dropped. Entries of UDP have a
    limit of their own, at which the oldest makes room: conntrack keeps them long after the exchange that they were
    made for, and what a flow's own was is known by then.

    Times are of the clock of what is learnt: events have their kernel's, what others announce has the wall clock.

    :param entries: at most; an entry takes about 170 bytes.
    :param stage: in entries: received, delivered (known), dropped for ``table_full``.
    :param udp_entries: at most, of UDP, beside the others.
    :param announces: whether ``announce`` will be called, once a window.
    """

    def __init__(
        self, entries: int, stage: Stage, *, announces: bool = False, udp_entries: int = UDP_ENTRIES
    ) -> None:
        self._stage = stage
        #: When entries may have been missed.
        self.gaps = NatGaps()
        places = entries + udp_entries
        self._called = TupleIndex(places)  # by O
        self._seen = TupleIndex(places)  # by T
        self._lives = Lives(places)
        self._matches = EntryMatches(self._lives, self.gaps, stage)
        self._netns = np.zeros(places, np.uint32)
        self._swept = np.zeros(places, np.bool_)  # ended unless the dump under way has it
        self._announced = Announced(places, announces=announces)
        self._announced_at = np.zeros(places, np.int64)  # when another node announced it last
        self._places = NatPlaces(entries)
        self._udp_places = NatPlaces(udp_entries, entries)
        self._offset_ns = 0
        self._half = 1 << max(8, (max(entries, udp_entries) // 4).bit_length())
        self._marks = np.zeros(2 * self._half, np.uint32)  # the second half is UDP's
        self._marks[ANY] = 1  # none has looked yet
        #: Entries that began, over all time.
        self.begun = 0

    def __len__(self) -> int:
        """Entries known, also those that ended."""
        return len(self._places) + len(self._udp_places)

    @property
    def announces(self) -> bool:
        """Whether ``announce`` is to be called, once a window."""
        return self._announced.announces

    def learn(self, events: np.ndarray, offset_ns: int) -> None:
        """Takes ``struct nat_event`` rows in, in order; what conntrack reported twice is known once.

        :param offset_ns: wall clock minus the clock of the events; what is announced has the wall clock's times.
        """
        self._offset_ns = offset_ns
        for part in parts(events):
            if part["protocol"][0]:
                self._learn(part)
            else:
                self._learn_of_all(part)

    def _learn(self, events: np.ndarray) -> None:
        """Entries that begin and end, the events of each tuple in their order."""
        called, seen = keys_of(events)
        news = events["header"]["kind"] == _KIND["KIND_NAT_NEW"]
        first, last = times_of(events)
        for rows in turns(called):
            ends, begins = rows[~news[rows]], rows[news[rows]]
            if len(ends):
                self._end_at(
                    called.take(ends), seen.take(ends), events["netns"][ends], first[ends], last[ends]
                )
            if len(begins):
                self._begin_at(
                    called.take(begins),
                    seen.take(begins),
                    events["netns"][begins],
                    first[begins],
                    last[begins],
                )

    def _begin_at(
        self, called: np.ndarray, seen: np.ndarray, netns: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> None:
        """Entries that begin, each between ``first`` and ``last``; shape (n,), int64."""
        self._stage.received += len(called)
        known = self._holding(called, seen)
        again = known != NOWHERE
        again[again] = self._lives.same(known[again], first[again], last[again])
        here = known[again]
        self._lives.confirm(here, first[again], last[again])
        self._swept[here] = False
        sure = np.where(first == BEFORE, OPEN, first)
        self._end_earlier(known[~again], sure[~again], last[~again])
        fresh = np.flatnonzero(~again)
        count = self._add(called.take(fresh), seen.take(fresh), netns[fresh], first[fresh], last[fresh])
        self._stage.drop("table_full", len(fresh) - count)
        self._stage.delivered += len(called) - (len(fresh) - count)

    def _end_earlier(self, places: np.ndarray, lasted: np.ndarray | int, end: np.ndarray) -> None:
        """Ends the entries that held until others, which rewrite the same, took their place: that was missed.

        :param places: NOWHERE for none.
        :param lasted: at least so long, unless they may have ended before.
        """
        known = places != NOWHERE
        here, until = places[known], np.broadcast_to(lasted, places.shape)[known]
        self._swept[here] = False
        self._finish(here, np.minimum(self._lives.lasted[here], until), end[known])

    def _add(
        self, called: np.ndarray, seen: np.ndarray, netns: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> int:
        """New entries, as many as there is room for; how many."""
        udp, count = _of_udp(called), 0
        for take, some in ((self._take, ~udp), (self._take_udp, udp)):
            if some.any():
                places = take(int(np.count_nonzero(some)))
                rows = np.flatnonzero(some)[: len(places)]
                self._start(places, called.take(rows), seen.take(rows), netns[rows], first[rows], last[rows])
                count += len(places)
        return count

    def _start(
        self,
        places: np.ndarray,
        called: np.ndarray,
        seen: np.ndarray,
        netns: np.ndarray,
        first: np.ndarray,
        last: np.ndarray,
    ) -> None:
        self._lives.start(places, first, last)
        self._swept[places] = False
        self._netns[places] = netns
        self._announced.start(places)
        hashes = self._called.add(places, called), self._seen.add(places, seen)
        self._mark(*hashes, _of_udp(called))

    def _mark(self, called: np.ndarray, seen: np.ndarray, udp: np.ndarray) -> None:
        """Entries of these tuples (hashes) began: who looked for one before may look again."""
        if len(called):
            self.begun += len(called)
            now = self.begun & 0xFFFFFFFF
            self._marks[ANY] = now
            for hashes in (called, seen):
                self._marks[self.marks(hashes, udp)] = now

    def marks(self, hashes: np.ndarray, udp: np.ndarray) -> np.ndarray:
        """A mark for each tuple (``hashed``), never ``ANY``; few have the same; shape (n,), uint32.

        :param udp: which tuples are of UDP: they share none with others; shape (n,), bool.
        """
        marks: np.ndarray = np.maximum(hashes >> np.uint64(32) & np.uint64(self._half - 1), 1)
        marks += np.where(udp, np.uint64(self._half), np.uint64(0))
        return marks.astype(np.uint32)

    def state(self, marks: np.ndarray) -> np.ndarray:
        """Another number for each mark once an entry from or to its tuple began; shape (n,), uint32."""
        return self._marks.take(marks)

    def _end_at(
        self, called: np.ndarray, seen: np.ndarray, netns: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> None:
        """Entries that end, each between ``first`` and ``last``; shape (n,), int64.

        One whose beginning was missed is known by its end, be it of a tuple that was rewritten so before.
        """
        self._stage.received += len(called)
        self._stage.delivered += len(called)
        places = self._holding(called, seen)
        lost = self.gaps.end_of_loss(np.zeros(len(called), np.int64), first)
        missed = np.flatnonzero((lost != 0) & ((places == NOWHERE) | self._lives.doubted[places]))
        if len(missed):
            begun = np.full(len(missed), MISSED), lost[missed]
            self._end_earlier(places[missed], OPEN, lost[missed])
            self._add(called.take(missed), seen.take(missed), netns[missed], *begun)
            places[missed] = self._holding(called.take(missed), seen.take(missed))
        held = places != NOWHERE
        self._finish(places[held], first[held], last[held])

    def _learn_of_all(self, events: np.ndarray) -> None:
        """What events say of all entries: that they end, or that some may be missing."""
        self._stage.received += len(events)
        self._stage.delivered += len(events)
        first, last = times_of(events)
        kinds, namespaces = events["header"]["kind"].tolist(), events["netns"].tolist()
        for kind, netns, begin, end in zip(kinds, namespaces, first.tolist(), last.tolist(), strict=True):
            if kind == _KIND["KIND_NAT_DELETED"]:
                self._sweep(netns, begin)
            elif kind == _KIND["KIND_NAT_LOST"]:
                self._lose(begin, end)
            elif kind == _KIND["KIND_NAT_DUMPED"]:
                self.gaps.take_stock(begin, end)
            elif kind == _KIND["KIND_NAT_UNSEEN"]:
                self.gaps.hide(netns, end)
            elif kind == _KIND["KIND_NAT_SEEN"]:
                self.gaps.show(netns)

    def _lose(self, begin_ns: int, end_ns: int) -> None:
        """Entries that began or ended in this time may be missing: what held before may hold no more."""
        self.gaps.lose(begin_ns, end_ns)
        self._announced.note(self._lives.doubt(begin_ns, end_ns))
        self._announced.note_loss(begin_ns, end_ns)
        self._stage.note("losses")

    def _sweep(self, netns: int, at_ns: int) -> None:
        """All entries of the namespace end unless they are announced or dumped again."""
        holding = np.flatnonzero((self._netns == netns) & (self._lives.end == OPEN))
        self._swept[holding] = True
        sure = np.minimum(self._lives.lasted[holding], self._lives.begin[holding])
        self._finish(holding, sure, np.full(len(holding), at_ns))

    def _finish(self, places: np.ndarray, lasted: np.ndarray, end: np.ndarray) -> None:
        """Entries end, each between ``lasted`` and ``end``."""
        self._lives.finish(places, lasted, end)
        self._announced.note(places)
        self._places.end(places[~self._udp_places.has(places)])

    def _holding(self, called: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """The place of the entry O → T that holds, or of one that ends unless it is reported again; else NOWHERE."""
        places = self._called.newest(called)
        wanted = seen.view("V48")
        while True:
            rows = np.flatnonzero(places != NOWHERE)
            here = places[rows]
            holds = (self._lives.end[here] == OPEN) | self._swept[here]
            other = ~holds | (self._seen.keys(here).view("V48") != wanted[rows])
            if not other.any():
                return places
            places[rows[other]] = self._called.older(here[other])

    def _take(self, count: int) -> np.ndarray:
        """Free places, as many as wanted if there are; entries that ended longest ago make room."""
        while (short := count - self._places.free) > 0:
            if not len(ended := self._places.first_ended(short)):
                break
            self._evict(ended[self._lives.end[ended] != OPEN], self._places)
        return self._places.take(count)

    def _take_udp(self, count: int) -> np.ndarray:
        """The same for entries of UDP: those that began longest ago make room."""
        oldest = self._udp_places.first_ended(max(0, count - self._udp_places.free))
        if len(oldest):
            self._stage.note("udp_evicted", int(np.count_nonzero(self._lives.end[oldest] == OPEN)))
            self._evict(oldest, self._udp_places)
        places = self._udp_places.take(count)
        self._udp_places.end(places)  # in the order in which they begin
        return places

    def _evict(self, places: np.ndarray, of: NatPlaces) -> None:
        """Gives up entries."""
        self._called.remove(places)
        self._seen.remove(places)
        self._swept[places] = False
        of.give_back(places)
        self._stage.note("evicted", len(places))

    def rewritten(self, keys: np.ndarray, hashes: np.ndarray, spans: Spans) -> tuple[np.ndarray, np.ndarray]:
        """The entry that rewrites each tuple O at its time, NOWHERE if none surely does; and ``NatEvidence``.

        :return: both of shape (n,).
        """
        newest = self._called.newest(keys, hashes)
        return self._matches.find(self._called, self._seen, newest, spans)

    def behind(self, keys: np.ndarray, hashes: np.ndarray, spans: Spans) -> tuple[np.ndarray, np.ndarray]:
        """The same by T: the entry that made each tuple what it is."""
        newest = self._seen.newest(keys, hashes)
        return self._matches.find(self._seen, self._called, newest, spans)

    def claim(self, places: np.ndarray) -> None:
        """A socket of this node called by way of these entries: nobody else needs them."""
        self._announced.claim(places)

    def announce(self, window: int) -> np.ndarray:
        """What other places should know of entries (``Announced.due``); ``ANNOUNCED``."""
        places = self._announced.due(window, self._lives.end)
        entries = np.zeros(len(places), ANNOUNCED)
        for name, index in (("called", self._called), ("seen", self._seen)):
            entries[name].view("V48")[...] = index.keys(places).view("V48")
        begin = self._lives.begin[places]
        if len(self.gaps.losses[0]):  # what a dump has since then need not have been there before
            begin = np.where(begin <= MISSED, self._lives.begun_by[places], begin)
        entries["begin_ns"] = begin
        entries["end_ns"] = np.minimum(self._lives.lasted[places], self._lives.end[places])
        entries["netns"] = self._netns[places]
        entries = np.concatenate((entries, self._announced.losses()))
        for name, none in (("begin_ns", BEFORE), ("end_ns", OPEN)):
            entries[name][entries[name] != none] += self._offset_ns
        return entries

    def announce_again(self) -> None:
        """Whoever kept what was announced has lost it: announce all entries that hold anew."""
        self._announced.again(self._lives.end)

    def take_announced(self, entries: np.ndarray, now_ns: int) -> None:
        """Takes in what another node announced; ``ANNOUNCED``. What nobody repeats has ended."""
        lost = entries["called"]["transport"] == 0
        for begin_ns, end_ns in zip(
            entries["begin_ns"][lost].tolist(), entries["end_ns"][lost].tolist(), strict=True
        ):
            self.gaps.lose(begin_ns, end_ns)
        entries = entries[~lost]
        called, seen = (np.ascontiguousarray(entries[name]) for name in ("called", "seen"))
        self._begin_at(called, seen, entries["netns"], entries["begin_ns"], entries["begin_ns"])
        places = self._holding(called, seen)
        held = places != NOWHERE
        self._announced_at[places[held]] = now_ns
        over = held & (entries["end_ns"] != OPEN)
        self._finish(places[over], entries["end_ns"][over], entries["end_ns"][over])

    def end_unannounced(self, now_ns: int) -> None:
        """Ends the entries that nobody has repeated for two rounds."""
        silent = (self._lives.end == OPEN) & (self._announced_at < now_ns - 2 * REPEAT * SECOND_NS)
        places = np.flatnonzero(silent).astype(np.int32)
        at_ns = np.full(len(places), now_ns)
        self._finish(places, at_ns, at_ns)

    def called(self, places: np.ndarray) -> np.ndarray:
        """The tuples O of entries; ``HOP``."""
        return hops_of(self._called.keys(places))

    def seen(self, places: np.ndarray) -> np.ndarray:
        """The tuples T of entries; ``HOP``."""
        return hops_of(self._seen.keys(places))


def _of_udp(keys: np.ndarray) -> np.ndarray:
    """Which tuples are of UDP; shape (n,), bool."""
    udp: np.ndarray = keys["transport"] == Transport.UDP
    return udp


def hops_of(keys: np.ndarray) -> np.ndarray:
    """The tuples in keys; ``HOP``."""
    hops: np.ndarray = keys.view(np.uint8).reshape(len(keys), keys.dtype.itemsize)[:, : HOP.itemsize]
    return np.ascontiguousarray(hops).view(HOP).reshape(-1)
