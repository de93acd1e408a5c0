"""NAT rewrites by ctnetlink: new and ended conntrack entries of all network namespaces, as events of the ring.

One socket hears of all namespaces (``probes.conntrack.known_namespaces``); a dump of each brings what was there
before. Nothing is remembered of an entry, but the numbers of those whose end the kernel will not tell.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from model.clock import SECOND_NS
from model.errors import ProbeError
from model.ledger import Stage
from probes.conntrack.ctnetlink import Entries, Reader
from probes.conntrack.events import all_ended, joined, no_events, stamped
from probes.conntrack.known_namespaces import KnownNamespaces
from probes.conntrack.namespace_numbers import overrun
from probes.conntrack.socket import ALWAYS, COUNT, NEVER, dump, open_listener
from probes.conntrack.times import EntryTimes
from probes.kernel.bulk_receiver import BulkReceiver, Received
from probes.kernel.layout import enums, rows_where
from probes.kernel.namespaces import ChosenNamespaces
from probes.kernel.netlink import split

log = logging.getLogger(__name__)

_NEW: Final = enums("conntrack")["conntrack_event"]["KIND_NAT_NEW"]
#: Between two dumps of a namespace with entries whose end the kernel does not tell.
AGAIN_NS: Final = 60 * SECOND_NS
#: Calls that one events() makes at most; what still waits comes with the next.
CALLS: Final = 64
#: After so long catch_up() leaves the other namespaces to its next call.
TURN_NS: Final = SECOND_NS // 2


class Conntrack:
    """Sees every conntrack entry of the machine that rewrites TCP or UDP, from ``start`` to ``close``.

    ``events`` never blocks; when ``behind`` says so, ``catch_up`` is to be called in a thread.

    :param buffer_bytes: memory of the kernel for events that wait.
    :param patterns: the namespaces to report (``ChosenNamespaces``).
    :param listen: whether to hear of entries that come and go; if not, only what was there before is given.
    :param required: whether to refuse a start without the rights; if not, there are no events then.
    """

    def __init__(
        self,
        buffer_bytes: int = 8 << 20,
        patterns: Sequence[str] = (),
        *,
        listen: bool = True,
        required: bool = True,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.stage = Stage("entries")
        self._buffer_bytes = buffer_bytes
        self.listen = listen
        #: Tells when each message was made; without it that is known only from one look to the next.
        self.times: EntryTimes | None = None
        self._required = required
        self._monotonic = monotonic
        self._chosen = ChosenNamespaces(patterns)
        self._reader, self._receiver = Reader(), BulkReceiver()
        self._known: KnownNamespaces | None = None
        self._listener: socket.socket | None = None
        self._reported: set[int] = set()  # namespaces, of the known ones
        self._wanted: dict[int, bool] = {}  # namespaces to dump; whether that makes up for lost events
        self._silent: dict[
            int, np.ndarray | None
        ] = {}  # entries that end untold, by namespace; None: all, always
        self._look_due = True
        self._refused = False  # for good
        self._again_at = 0
        self._overrun = False
        self._heard_ns = 0  # monotonic; what is heard next began after it

    def start(self) -> None:
        """Opens what is needed; without conntrack in the kernel it waits for it to come.

        :raises ProbeError: without the rights to listen, if that is required.
        """
        self._again_at = self._monotonic() + AGAIN_NS
        error = self._open()
        if error and self._required:
            raise ProbeError(f"cannot listen to conntrack ({error})", "see `tailrace doctor`") from error

    def _open(self) -> OSError | None:
        if not COUNT.exists():
            return None
        try:
            self._known = KnownNamespaces(self.stage)
            if self.listen:
                self._heard_ns = self._monotonic()
                program = self.times.program if self.times else None
                self._listener = open_listener(self._buffer_bytes, program)
        except OSError as error:
            self.close()
            self._refused = True
            log.warning("NAT rewrites are not seen: %s; see `tailrace doctor`", error)
            return error
        return None

    @property
    def behind(self) -> bool:
        """Whether catch_up() has something to do."""
        now = self._monotonic()
        return bool(self._wanted) or self._look_due or (bool(self._silent) and now >= self._again_at)

    def notice(self, netns: np.ndarray) -> None:
        """A window is over, and new sockets live in these namespaces (inodes): it is time to look for new ones, so
        that what was rewritten in them is known before the window is told."""
        self._look_due = not self._refused
        if self._known:
            self._known.seek(set(np.unique(netns).tolist()) - {0})

    def events(self) -> np.ndarray:
        """What came since the last call, in order: an array of ``struct socket_event`` that holds NAT events."""
        if not self._known:
            return no_events()
        gone, new = self._known.changes()
        self._look_due |= new
        parts = [*self._received(self._known)]
        self._known.forget(gone)
        return joined((*parts, self._end(gone)))

    def _received(self, known: KnownNamespaces) -> Iterator[np.ndarray]:
        begin = self._monotonic()
        for _ in range(CALLS if self._listener else 0):
            before = self.times.look() if self.times else 0
            received = self._receive()
            if received is not None:
                yield self._placed(received, known)
            elif not self._overrun:
                self._heard_ns = begin
                if self.times:
                    self.times.forget(before)
                return
            else:  # only an empty socket hears again: what a dump shows from now on is the truth
                self._overrun = False
                self._wanted |= dict.fromkeys(self._reported, True)

    def _receive(self) -> Received | None:
        assert self._listener
        try:
            return self._receiver.receive(self._listener.fileno())
        except OSError as error:
            if not overrun(error):
                raise
        self.stage.note("overruns")
        self._overrun = True
        return self._receiver.receive(self._listener.fileno())

    def _placed(self, received: Received, known: KnownNamespaces) -> np.ndarray:
        entries = self._reader.read(received.messages, received.lengths)
        netns = known.inodes(received.namespaces[entries.rows])
        # A namespace without a place yet is dumped when it gets one.
        self.stage.note("unplaced", int(np.count_nonzero(netns == 0)))
        return self._deliver(entries, netns, self._when(entries), received.cut)

    def _when(self, entries: Entries) -> np.ndarray:
        """When each entry began or ended; where that is not known it holds at least from its connection's first
        packet to its end, however late we read of them."""
        new, now = entries.events["header"]["kind"] == _NEW, self._monotonic()
        known = self.times.of(entries.ids, new) if self.times else np.zeros(len(new), np.uint64)
        entries.events["latest_at_ns"] = np.where(new & (known == 0), now, 0)
        when: np.ndarray = np.where(known != 0, known, np.where(new, self._heard_ns, now).astype(np.uint64))
        return when

    def _deliver(
        self, entries: Entries, netns: np.ndarray, at_ns: np.ndarray | int, cut: int = 0
    ) -> np.ndarray:
        events = stamped(entries.events, netns, at_ns)
        wanted = np.isin(netns, np.fromiter(self._reported, np.uint32, len(self._reported)))
        events = rows_where(events, wanted)
        unreadable = entries.unreadable + cut
        self.stage.received += len(events) + unreadable
        self.stage.delivered += len(events)
        self.stage.drop("unreadable", unreadable)
        return events

    def _end(self, namespaces: Iterable[int]) -> np.ndarray:
        """All entries of these namespaces are ended, as far as any were reported."""
        ended = self._reported & set(namespaces)
        if not ended:
            return no_events()
        self._reported -= ended
        for namespace in ended:
            self._wanted.pop(namespace, None)
            self._silent.pop(namespace, None)
        self._note_namespaces()
        return all_ended(ended, self._monotonic())

    def _note_namespaces(self) -> None:
        self.stage.noted["namespaces"] = len(self._reported)

    def catch_up(self) -> np.ndarray:
        """Looks for new namespaces and dumps those that need it; blocks, for half a second and one dump at most.

        Events of the same form as those of events(), which go before what that gives next.
        """
        now = self._monotonic()
        parts = [self._look(now)] if self._look_due else []
        if now >= self._again_at:
            self._again_at = now + AGAIN_NS
            self._wanted |= dict.fromkeys(self._silent, True)
        while self._wanted and self._monotonic() - now < TURN_NS:
            parts.append(self._dump(*self._wanted.popitem()))
        return joined(parts)

    def _look(self, now: int) -> np.ndarray:
        self._look_due = False
        if not self._known:
            self._open()
        if not self._known:
            return no_events()
        self._known.look(now)
        self._chosen.refresh()
        reported = {inode for inode in self._known.reachable if inode in self._chosen}
        self._wanted |= dict.fromkeys(reported - self._reported, False)
        ended = self._end(self._reported - reported)
        self._reported |= reported
        self._note_namespaces()
        return ended

    def _dump(self, namespace: int, again: bool) -> np.ndarray:
        assert self._known
        before_ns = self._monotonic()
        try:
            found = self._known.inside(namespace, dump)
        except OSError as error:  # without the right to enter; or it is gone, which the kernel tells apart
            self.stage.note("dumps_failed")
            log.info("conntrack of network namespace %d cannot be read: %s", namespace, error)
            return no_events()
        self.stage.note("dumps")
        entries = self._reader.read(*split(found.messages))
        self._note_silent(namespace, entries.ids, found.mode, again)
        netns = np.full(len(entries.events), namespace, np.uint32)
        before = all_ended([namespace] if again else [], before_ns)
        return joined((before, self._deliver(entries, netns, 0)))

    def _note_silent(self, namespace: int, ids: np.ndarray, mode: int, again: bool) -> None:
        """Entries made before anybody listened end untold in mode HEARD: dumps go on until they are gone."""
        if not self.listen or mode == ALWAYS:
            self._silent.pop(namespace, None)
        elif mode == NEVER:
            self._silent[namespace] = None
        else:
            silent = self._silent.get(namespace)
            left = (
                ids if silent is None and not again else np.intersect1d(ids, [] if silent is None else silent)
            )
            self._silent[namespace] = left
            if not len(left):
                del self._silent[namespace]

    def close(self) -> None:
        """Closes all sockets; nothing is left behind."""
        if self._listener:
            self._listener.close()
        if self._known:
            self._known.close()
        if self.times:
            self.times.close()
        self._listener = self._known = self.times = None
